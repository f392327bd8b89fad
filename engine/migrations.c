/*
 * The schema, step by step.  Times are unix milliseconds.  Ids of users and projects are never used
 * twice (AUTOINCREMENT): numeric uids and gids on the host derive from them, and files outlive rows.
 *
 *   user 1--n key          user 1--n project 1--n member n--1 user
 *   project 1--n env 1--n tier, variable, release        project 1--n op 1--n op_log
 *
 * event and audit keep plain numbers instead of references: they speak of what may be gone.
 */
#include "engine/migrations.h"

#include "base/mem.h"

static const char first[] =
    "CREATE TABLE user ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " role TEXT NOT NULL CHECK (role IN ('student','developer','teacher','operator','admin')),"
    " password TEXT," /* argon2id string, NULL = none */
    " disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0,1,2))," /* 2 = goes with its projects */
    " created INTEGER NOT NULL) STRICT;"

    "CREATE TABLE key ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,"
    " type TEXT NOT NULL,"
    " blob BLOB NOT NULL UNIQUE,"
    " fingerprint TEXT NOT NULL UNIQUE,"
    " comment TEXT NOT NULL DEFAULT '',"
    " created INTEGER NOT NULL) STRICT;"
    "CREATE INDEX key_user ON key(user);"

    "CREATE TABLE invite ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " hash BLOB NOT NULL UNIQUE,"
    " role TEXT NOT NULL,"
    " uses INTEGER NOT NULL,"
    " uses_left INTEGER NOT NULL CHECK (uses_left >= 0),"
    " expires INTEGER NOT NULL,"
    " by TEXT NOT NULL,"
    " created INTEGER NOT NULL) STRICT;"

    "CREATE TABLE quota (" /* no row = the defaults */
    " user INTEGER PRIMARY KEY REFERENCES user(id) ON DELETE CASCADE,"
    " projects INTEGER NOT NULL,"
    " instances INTEGER NOT NULL,"
    " memory INTEGER NOT NULL) STRICT;"

    "CREATE TABLE project ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " owner INTEGER NOT NULL REFERENCES user(id),"
    " name TEXT NOT NULL,"
    " stack TEXT NOT NULL,"
    " description TEXT NOT NULL DEFAULT '',"
    " state TEXT NOT NULL DEFAULT 'creating' CHECK (state IN ('creating','ready','removing')),"
    " dev_want INTEGER NOT NULL DEFAULT 0 CHECK (dev_want IN (0,1))," /* dev container wanted */
    " dev_state TEXT NOT NULL DEFAULT 'absent',"
    " dev_reason TEXT NOT NULL DEFAULT '',"
    " created INTEGER NOT NULL,"
    " UNIQUE (owner, name)) STRICT;"

    "CREATE TABLE member ("
    " project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,"
    " role TEXT NOT NULL CHECK (role IN ('viewer','editor','operator')),"
    " created INTEGER NOT NULL,"
    " PRIMARY KEY (project, user)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX member_user ON member(user);"

    "CREATE TABLE env ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL CHECK (name IN ('dev','prod')),"
    " slot INTEGER UNIQUE,"            /* of the edge; NULL = none */
    " host TEXT NOT NULL DEFAULT '',"
    " desired INTEGER,"                /* release version that should serve */
    " serving INTEGER,"                /* release version that does */
    " state TEXT NOT NULL DEFAULT 'absent',"
    " reason TEXT NOT NULL DEFAULT '',"
    " db_password TEXT,"
    " created INTEGER NOT NULL,"
    " UNIQUE (project, name)) STRICT;"

    "CREATE TABLE tier ("
    " env INTEGER NOT NULL REFERENCES env(id) ON DELETE CASCADE,"
    " kind TEXT NOT NULL CHECK (kind IN ('web','was','db')),"
    " want INTEGER NOT NULL CHECK (want BETWEEN 0 AND 99),"
    " image TEXT,"                     /* digest */
    " PRIMARY KEY (env, kind)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE variable ("
    " env INTEGER NOT NULL REFERENCES env(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " secret INTEGER NOT NULL DEFAULT 0 CHECK (secret IN (0,1)),"
    " PRIMARY KEY (env, name)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE op ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL,"
    " project INTEGER,"                /* no reference: the op of a removal outlives its project */
    " env TEXT,"
    " state TEXT NOT NULL DEFAULT 'queued'"
    "  CHECK (state IN ('queued','running','done','failed','cancelled')),"
    " step TEXT NOT NULL DEFAULT '',"
    " error_code TEXT, error_message TEXT, error_hint TEXT,"
    " result TEXT,"
    " user INTEGER,"                   /* who asked; NULL = root or the engine itself */
    " by TEXT NOT NULL DEFAULT '',"    /* the name at that time */
    " payload TEXT NOT NULL DEFAULT '{}',"
    " idem TEXT,"
    " cancel INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " created INTEGER NOT NULL,"
    " started INTEGER,"
    " finished INTEGER) STRICT;"
    "CREATE INDEX op_project ON op(project, id);"
    "CREATE INDEX op_state ON op(state) WHERE state IN ('queued','running');"
    "CREATE UNIQUE INDEX op_idem ON op(user, idem) WHERE idem IS NOT NULL;"

    "CREATE TABLE op_log ("
    " op INTEGER NOT NULL REFERENCES op(id) ON DELETE CASCADE,"
    " seq INTEGER NOT NULL,"
    " text TEXT NOT NULL,"
    " PRIMARY KEY (op, seq)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE release ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " env TEXT NOT NULL CHECK (env IN ('dev','prod')),"
    " version INTEGER NOT NULL CHECK (version >= 1),"
    " digest TEXT,"
    " by TEXT NOT NULL DEFAULT '',"
    " at INTEGER NOT NULL,"
    " result TEXT NOT NULL"
    "  CHECK (result IN ('building','rolling','serving','superseded','failed')),"
    " reason TEXT,"
    " config TEXT NOT NULL DEFAULT '{}',"
    " op INTEGER,"
    " UNIQUE (project, env, version)) STRICT;"

    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " user INTEGER REFERENCES user(id) ON DELETE SET NULL,"
    " name TEXT NOT NULL,"
    " text TEXT NOT NULL,"
    " at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX message_project ON message(project, id);"

    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at INTEGER NOT NULL,"
    " type TEXT NOT NULL,"
    " project INTEGER,"
    " env TEXT,"
    " op INTEGER,"
    " actor TEXT NOT NULL,"
    " text TEXT NOT NULL,"
    " data TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_project ON event(project, id);"
    "CREATE INDEX event_op ON event(op, id) WHERE op IS NOT NULL;"

    "CREATE TABLE audit ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at INTEGER NOT NULL,"
    " user INTEGER,"
    " name TEXT NOT NULL,"
    " verb TEXT NOT NULL,"
    " object TEXT NOT NULL,"
    " result TEXT NOT NULL,"
    " detail TEXT NOT NULL,"
    " chain TEXT NOT NULL) STRICT;"    /* hash over the row and the chain before it */
    "CREATE INDEX audit_name ON audit(name, id);"
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;"
    "CREATE TRIGGER audit_delete BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit rows are never removed'); END;"

    "CREATE TABLE idempotency (" /* replies kept for a repeated Idempotency-Key */
    " user INTEGER NOT NULL,"
    " key TEXT NOT NULL,"
    " route TEXT NOT NULL,"
    " body TEXT NOT NULL,"             /* hash of method, path and body */
    " status INTEGER NOT NULL,"
    " reply TEXT NOT NULL,"
    " created INTEGER NOT NULL,"
    " PRIMARY KEY (user, key)) STRICT, WITHOUT ROWID;";

/* Until now every stack's database was this one. */
static const char project_db[] =
    "ALTER TABLE project ADD COLUMN db TEXT NOT NULL DEFAULT '';"
    "UPDATE project SET db = 'postgresql';";

static const char saves[] =
    "CREATE TABLE save ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " message TEXT NOT NULL DEFAULT '',"
    " by TEXT NOT NULL,"
    " at INTEGER NOT NULL,"
    " state TEXT NOT NULL DEFAULT 'saving' CHECK (state IN ('saving','ready')),"
    " undo INTEGER NOT NULL DEFAULT 0 CHECK (undo IN (0,1)),"
    " stack TEXT NOT NULL,"
    " base TEXT NOT NULL DEFAULT '',"  /* digest of the stack's image below it */
    " dev TEXT NOT NULL DEFAULT '',"   /* digests of its images */
    " work TEXT NOT NULL DEFAULT '',"
    " dev_stored TEXT NOT NULL DEFAULT '',"  /* digests in the repository; '' = not there */
    " work_stored TEXT NOT NULL DEFAULT '',"
    " tree TEXT NOT NULL DEFAULT '',"  /* hash of its files */
    " files INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0,"
    " written INTEGER NOT NULL DEFAULT 0,"
    " depth INTEGER NOT NULL DEFAULT 0,"
    " op INTEGER NOT NULL DEFAULT 0,"
    " diff TEXT NOT NULL DEFAULT '{}',"
    " UNIQUE (project, name)) STRICT;"
    /* the save that the dev container is made of; NULL = the stack's image */
    "ALTER TABLE project ADD COLUMN loaded INTEGER REFERENCES save(id) ON DELETE SET NULL;"
    /* the save that the workspace was last the same as */
    "ALTER TABLE project ADD COLUMN nearest INTEGER REFERENCES save(id) ON DELETE SET NULL;"
    "ALTER TABLE project ADD COLUMN loads INTEGER NOT NULL DEFAULT 0;"; /* how often one was loaded */

/* Images that cleaning up took away: a release of one of these cannot be gone back to. */
static const char image_gone[] =
    "CREATE TABLE image_gone ("
    " digest TEXT PRIMARY KEY,"
    " at INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* Who we are where others are too: in a cluster. */
static const char identity[] =
    "CREATE TABLE lab (id TEXT NOT NULL) STRICT;"
    "INSERT INTO lab (id) VALUES (lower(hex(randomblob(8))));";

/* Tiers whose number of instances load decides, within limits. */
static const char autoscale[] =
    "CREATE TABLE autoscale ("
    " env INTEGER NOT NULL REFERENCES env(id) ON DELETE CASCADE,"
    " kind TEXT NOT NULL CHECK (kind IN ('web','was')),"
    " min INTEGER NOT NULL CHECK (min BETWEEN 1 AND 99),"
    " max INTEGER NOT NULL CHECK (max BETWEEN min AND 99),"
    " cpu INTEGER NOT NULL CHECK (cpu BETWEEN 1 AND 1000)," /* percent of one core, of each */
    " PRIMARY KEY (env, kind)) STRICT, WITHOUT ROWID;";

/* Other clusters; an environment runs in one of them, or ('') in the lab's own. */
static const char targets[] =
    "CREATE TABLE target ("
    " name TEXT PRIMARY KEY,"
    " kubeconfig TEXT NOT NULL,"
    " server TEXT NOT NULL,"
    " by TEXT NOT NULL,"
    " at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "ALTER TABLE env ADD COLUMN target TEXT NOT NULL DEFAULT '';";

const struct migrations_step migrations_table[] = {
    {1, "users, projects, operations, events, audit", first},
    {2, "projects know their database", project_db},
    {3, "saves", saves},
    {4, "images that cleaning up took away", image_gone},
    {5, "the lab's identity", identity},
    {6, "tiers that scale by load", autoscale},
    {7, "other clusters", targets},
};
const int migrations_count = CL_COUNT(migrations_table);
