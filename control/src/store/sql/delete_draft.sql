DELETE FROM config_drafts WHERE id = 'draft'
