"""``simplenn gradcheck``: derivatives against differences, with a likely cause of each error."""
