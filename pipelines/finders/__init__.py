"""What finds entities of one family in a text; each takes time that grows linearly with the text, whatever it holds."""
