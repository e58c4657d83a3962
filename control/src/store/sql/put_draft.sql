INSERT INTO config_drafts (id, base, document, edited_by, edited_ms) VALUES ('draft', $1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET base = excluded.base, document = excluded.document,
    edited_by = excluded.edited_by, edited_ms = excluded.edited_ms
