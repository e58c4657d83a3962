SELECT base, document, edited_by, edited_ms FROM config_drafts WHERE id = 'draft'
