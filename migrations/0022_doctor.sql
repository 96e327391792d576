-- Up Migration

-- What the last callback of each provider turned out to be, for `npm run doctor`: a webhook secret that is wrong shows
-- nowhere else, since jobs are then carried by polls. Only deliveries to an attempt of ours count, whose URL nobody can
-- guess: else anybody could make it say what he likes. Never a body, and no more than a row a provider.
CREATE TABLE callback_readings (
  provider     text COLLATE "C" PRIMARY KEY,
  reading      text NOT NULL
    CONSTRAINT a_callback_is_read_somehow CHECK (reading IN ('report', 'unsigned', 'forged', 'unreadable')),
  at           timestamptz NOT NULL,
  -- The last one whose signature was right. Null: none yet.
  verified_at  timestamptz
);
