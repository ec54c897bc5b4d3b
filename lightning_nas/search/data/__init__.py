"""The data of a search: two halves, rows that are drawn anew, the wrapped data module."""
