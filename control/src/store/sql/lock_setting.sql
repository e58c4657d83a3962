-- Locks the row until the transaction ends, and makes it where it is not there yet.
INSERT INTO settings (name, value) VALUES ($1, '') ON CONFLICT (name) DO UPDATE SET value = settings.value
