-- Up Migration

-- A tenant's id is part of keys in the object store and of lines in logs.
ALTER TABLE tenants ADD CONSTRAINT tenant_id_is_plain CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$');

ALTER TABLE api_keys
  ADD CONSTRAINT key_id_is_plain CHECK (id ~ '^[0-9A-Za-z]{22}$'),
  ADD CONSTRAINT secret_is_hashed CHECK (octet_length(secret_sha256) = 32),
  ADD CONSTRAINT scopes_are_known CHECK (scopes <@ ARRAY['read', 'write', 'webhooks', 'admin'] AND cardinality(scopes) > 0);

-- What client tokens are signed with: by a secret of their own, so that none can be had by way of another kind of URL.
INSERT INTO signing_keys (id, secret)
VALUES ('client_tokens', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
