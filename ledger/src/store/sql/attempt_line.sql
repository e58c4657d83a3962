SELECT id, project, key_id, requested_model, provider, model, payer, pricing, cost, input_tokens, output_tokens, client_request_id, seq, detail FROM attempts WHERE id = $1
