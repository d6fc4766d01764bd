"""The results page, made from records: tables, what was seen in them, and the page around both."""
