"""What neighbours are told, in the forms that they take: webhooks, chats, syslog and CEF, tickets.

Rules: writers are pure. What may be told was decided before (`node.telling`); a writer adds nothing to it. Words of
strangers are data: they make no line, no field, no link and no mention of their own.
"""
