"""What goes out to sensors and people: pure writers from decided items to bytes.

Rules: what may leave, to whom, how sure and how fresh it must be is decided above; a writer only writes. It streams. A
value goes out exactly as it is or is counted as left out, never changed; names and labels are made harmless
for the format they stand in. `item` has what writers take, `table` names every one of them.
"""
