SET lock_timeout = '2s';
SET idle_in_transaction_session_timeout = '5s';
SET statement_timeout = '30s';
