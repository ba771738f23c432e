"""Numbers to text and pictures: tables, figures, pages, plain text for lists, the terminal."""
