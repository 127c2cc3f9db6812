"""The command line: `commands` read and print, `verbs` say what can be asked, `operations` do it.

Rules: every command that touches a node is one verb with plain values in and out, so that it does the same
and prints the same whether it runs in this process or in the one that serves. Nothing here opens a store,
reads a clock or holds a key: `boot` hands those in as a `Desk`.
"""
