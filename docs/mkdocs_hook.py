"""MkDocs hook: files outside docs/ that the pages link to become part of the site, and their links are adapted.

README.md is the home page. Every other file keeps its path: ``Models/README.md`` is the page ``Models/README.html``,
and ``docs/training.md`` the page ``training.html``. Links in the Markdown files thus work on GitHub and on the site.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the home page, and all files outside docs/ that pages link to, directly or through one another."""
    waiting = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if not path.startswith("docs/"):
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            links = LINK.findall((ROOT / path).read_text(encoding="utf-8"))
            waiting += [target for target in (repository_path(path, link) for link in links) if target]
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Adapt the links of a page to the places of files on the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(here)
    source = "README.md" if here == "index.md" else here if page.file.generated_by else f"docs/{here}"

    def adapted(link: re.Match[str]) -> str:
        target = repository_path(source, link[1])
        return posixpath.relpath(site_path(target), folder or ".") if target else link[1]

    return LINK.sub(adapted, markdown)


def repository_path(page: str, link: str) -> str:
    """Return the path of a linked file relative to the repository; empty for a web address or a missing file."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return path if "://" not in link and (ROOT / path).is_file() else ""


def site_path(path: str) -> str:
    """Return the place on the site of a file of the repository."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")
