"""The pictures that a user has opened, on disk, so that a page that is loaded again has them."""

import json
import logging
import threading

from SinGAN.storage.files import check_regular, whole_file
from SinGAN.studio.history import History
from SinGAN.studio.workspace import Chosen, Workspace

LOG = logging.getLogger(__name__)
KEPT = 12  # pictures of each user
FILE = "pictures.json"


class Album:
    """The pictures that each user opened last."""

    def __init__(self, workspace: Workspace, history: History) -> None:
        self.workspace, self.history = workspace, history
        self.lock = threading.Lock()

    def of(self, owner: str) -> list[Chosen]:
        """The pictures of ``owner``, the newest first; those that are gone are left out."""
        file, found = self.history.home(owner) / FILE, list[Chosen]()
        try:
            entries = json.loads(check_regular(file).read_text()) if file.exists() else []
            for entry in entries:
                try:
                    found.append(self.workspace.picture_at(entry["file"], entry["title"]))
                except ValueError:
                    continue
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            LOG.warning("the list of pictures can't be read (%s): %s", type(error).__name__, file)
        return found

    def add(self, owner: str, pictures: list[Chosen]) -> None:
        """Put ``pictures`` in front. On a full disk the list is lost, but no picture."""
        with self.lock:
            known = {str(chosen.file): chosen for chosen in [*pictures, *self.of(owner)]}
            entries = [{"file": str(chosen.file), "title": chosen.title} for chosen in list(known.values())[:KEPT]]
            try:
                with whole_file(self.history.home(owner) / FILE) as draft:
                    draft.write_text(json.dumps(entries, indent=1) + "\n")
            except OSError as error:
                LOG.warning("the list of pictures can't be written: %s", error.strerror or error)
