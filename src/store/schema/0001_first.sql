-- Columns that end in _at or _time are nanoseconds since the Unix epoch, UTC.

-- Everything that can change an incident, in order. Append-only: `form` says how `body` is written.
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY,
    record_time INTEGER,
    received_at INTEGER,
    true_received_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    form INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_skips ON ledger (seq) WHERE kind = 'skip';
CREATE INDEX ledger_operations ON ledger (seq) WHERE kind = 'operation';

-- Texts that ledger rows refer to by number, and pieces that those texts name, in order of arrival;
-- `packed` is written as in domain/packed.rs. No index on the text: see intern.rs. An epoch says: ledger rows from first_seq on name no text before first_id.
CREATE TABLE interned (id INTEGER PRIMARY KEY, packed BLOB NOT NULL) STRICT;
CREATE TABLE intern_epochs (first_id INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL) STRICT;

-- One row for each delivery of the ledger.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    true_received_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    remote TEXT NOT NULL,
    alerts INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    is_test INTEGER NOT NULL,
    redacted INTEGER NOT NULL
) STRICT;
-- Raw bodies have a table of their own, because they are dropped sooner. A row holds those that were
-- committed together, as written in raw_bodies.rs: a row for each would leave half a page empty.
CREATE TABLE raw_bodies (
    last_seq INTEGER PRIMARY KEY REFERENCES deliveries (seq) ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,
    newest_at INTEGER NOT NULL,
    bodies BLOB NOT NULL
) STRICT;
CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    last_delivery_at INTEGER NOT NULL,
    deliveries INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What could not be used. `body` is NULL where only one alert of an accepted delivery was refused.
-- `headers` is what the sender's form needs beside the body, `replayed_as` the delivery that it
-- became when somebody had it read again.
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    problem TEXT NOT NULL,
    delivery INTEGER,
    place INTEGER,
    bytes INTEGER NOT NULL,
    redacted INTEGER NOT NULL,
    headers TEXT NOT NULL,
    replayed_at INTEGER,
    replayed_as INTEGER,
    body BLOB
) STRICT;

-- What the machine made of it. Columns beside `packed` or `json` are copies for searching and
-- sorting. `packed` is written as in domain/packed.rs; `fingerprint` is a number for the text.
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    fingerprint INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    incident INTEGER,
    active INTEGER NOT NULL,
    search TEXT NOT NULL,
    last_word_at INTEGER NOT NULL,
    lease INTEGER,
    deliveries INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
-- Fingerprints are random, so an index on them alone would touch a page for each new alert. Within
-- one of 4,096 episodes in a row they fall into a few pages; whoever searches asks each bucket.
CREATE INDEX episodes_by_alert ON episodes (id >> 12, fingerprint);
CREATE INDEX episodes_by_incident ON episodes (incident, id);
CREATE INDEX episodes_active ON episodes (incident, id) WHERE active = 1;

-- How each was weighed for the place it has: read only when somebody asks why. `packed` as above.
CREATE TABLE explanations (
    episode INTEGER PRIMARY KEY REFERENCES episodes (id) ON DELETE CASCADE,
    packed BLOB NOT NULL
) STRICT;

-- What a repeat changes, as small as it can be: the larger of this and the episode's own counts.
CREATE TABLE heard (
    episode INTEGER PRIMARY KEY,
    last_word_at INTEGER NOT NULL,
    lease INTEGER,
    deliveries INTEGER NOT NULL
) STRICT;
CREATE TRIGGER episodes_dropped AFTER DELETE ON episodes
BEGIN DELETE FROM heard WHERE episode = old.id; END;

-- Texts that packed episodes name by number. An epoch says: episodes after last_episode name no
-- text before first_text.
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE text_epochs (
    first_text INTEGER PRIMARY KEY,
    last_episode INTEGER NOT NULL
) STRICT;

CREATE TABLE context (
    incident INTEGER NOT NULL,
    episode INTEGER NOT NULL,
    PRIMARY KEY (incident, episode)
) STRICT, WITHOUT ROWID;
CREATE INDEX context_by_episode ON context (episode);

-- `services` holds each name on a line of its own, `search` is lower-case.
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    merged_into INTEGER,
    severity TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    services TEXT NOT NULL,
    search TEXT NOT NULL,
    pinned INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_state ON incidents (state, id);
CREATE INDEX incidents_by_cursor ON incidents (cursor);
CREATE INDEX incidents_pinned ON incidents (id) WHERE pinned = 1;
CREATE INDEX incidents_merged ON incidents (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE revisions (
    incident INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (incident, revision)
) STRICT, WITHOUT ROWID;

-- The facts that people had reviewed when they called a draft final.
CREATE TABLE reviewed (incident INTEGER PRIMARY KEY, facts TEXT NOT NULL) STRICT;
-- What was printed from them then, packed (LZ4). Other releases print otherwise; these bytes stay.
CREATE TABLE reviewed_documents (
    incident INTEGER NOT NULL,
    format TEXT NOT NULL,
    template TEXT NOT NULL,
    zone TEXT NOT NULL,
    packed BLOB NOT NULL,
    PRIMARY KEY (incident, format, template)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    service TEXT,
    source TEXT NOT NULL,
    key TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_time ON changes (at, id);
CREATE INDEX changes_by_key ON changes (key, source) WHERE key IS NOT NULL;

-- The engine's own: how far it is, its state at some record, and what it recalled since. Only the
-- snapshot that is named here counts.
CREATE TABLE engine (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cursor INTEGER NOT NULL,
    snapshot INTEGER
) STRICT;
INSERT INTO engine (only, cursor) VALUES (1, 0);
-- By which rules records were worked in: those from first_seq on by this version.
CREATE TABLE rule_epochs (first_seq INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
-- The pieces of a snapshot are, one behind the other, an LZ4 block with its length before it.
CREATE TABLE snapshots (
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    piece BLOB NOT NULL,
    PRIMARY KEY (seq, place)
) STRICT;
CREATE TABLE recalls (seq INTEGER PRIMARY KEY, recalled BLOB NOT NULL) STRICT;
CREATE TABLE outcomes (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE heartbeats (name TEXT NOT NULL, place INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE topology (only INTEGER PRIMARY KEY CHECK (only = 1), json TEXT NOT NULL) STRICT;

-- Outside the ledger: who did what, when and from where. `record` is the record of the ledger that
-- it became, `outcome` what came of it.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    principal TEXT,
    actor TEXT,
    remote TEXT NOT NULL,
    agent TEXT NOT NULL,
    incident INTEGER,
    target TEXT,
    record INTEGER,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_record ON audit (record) WHERE record IS NOT NULL;
CREATE INDEX audit_by_incident ON audit (incident, number) WHERE incident IS NOT NULL;

-- Outside the ledger: when we were last known to live.
CREATE TABLE sign_of_life (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    wall_at INTEGER NOT NULL,
    machine_at INTEGER
) STRICT;
