"""The commands: what is typed to what is asked, and answers to lines. One module per subject."""
