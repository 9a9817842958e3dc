"""``simplenn explain``: a page for the browser that shows a layer, number by number."""
