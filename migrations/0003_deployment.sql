-- Up Migration

-- Whose database this is. A process that plays its vendor must never take up jobs that somebody pays for, nor a real one
-- buy what the simulator was asked for.
CREATE TABLE deployment (
  only_row   boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one CHECK (only_row),
  simulated  boolean NOT NULL
);
