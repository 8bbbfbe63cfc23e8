"""The page that searches all stored documents, those of no case included."""
