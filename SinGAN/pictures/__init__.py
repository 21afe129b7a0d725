"""Picture files, contact sheets, animations, masks, and how alike two pictures are."""
