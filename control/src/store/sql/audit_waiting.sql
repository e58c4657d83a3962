SELECT payload FROM outbox WHERE done = 0 AND kind = 'event' AND target LIKE 'fb.evt.audit.%'
