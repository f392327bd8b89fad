/*
 * Every option, once.  The parser, `codinglab info`, the man page and the tests read this table.
 * The fallback of run.dir depends on state.dir: config.c computes it.
 */
#include "base/config.h"

#include "base/mem.h"

#define STR(name, fallback, help) {name, CONFIG_STR, fallback, 0, 0, help}
#define PATH(name, fallback, help) {name, CONFIG_PATH, fallback, 0, 0, help}
#define INT(name, fallback, min, max, help) {name, CONFIG_INT, fallback, min, max, help}
#define BOOL(name, fallback, help) {name, CONFIG_BOOL, fallback, 0, 1, help}

const struct config_option config_table[] = {
    PATH("state.dir", "/var/lib/codinglab", "database, workspaces, keys; also $CODINGLAB_STATE"),
    PATH("run.dir", "/run/codinglab", "sockets; /run/codinglab, or run/ in another state.dir"),
    PATH("bin.dir", "/usr/local/lib/codinglab/bin", "programs of the platform"),
    PATH("share.dir", "/usr/local/lib/codinglab/share", "files that come with the platform"),
    STR("log.level", "info", "debug, info, warn or error"),

    PATH("engine.socket", "${run}/engine.sock", "REST interface"),
    PATH("engine.auth_socket", "${run}/auth.sock", "listener to engine"),
    STR("engine.backend", "local", "local, kube or sim"),
    STR("engine.user", "codinglab", "account of the engine"),
    INT("engine.uid_base", "200000", 10000, 2000000000, "uid of a user = this + user id"),
    INT("engine.gid_base", "300000", 10000, 2000000000, "gid of a project = this + project id"),
    INT("engine.reconcile_ms", "2000", 50, 3600000, "pause between looks at the backend"),

    PATH("runtime.socket", "${run}/podman/podman.sock", "Docker API of Podman or Docker"),
    PATH("runtime.broker_socket", "${run}/broker/broker.sock", "engine to runtime broker"),
    PATH("runtime.exec_socket", "${run}/exec.sock", "terminals and programs in containers"),
    INT("runtime.memory_mb", "2048", 64, 1048576, "memory of a dev container, MiB"),
    INT("runtime.pids", "512", 16, 1000000, "processes of a dev container"),

    STR("sshd.listen", "127.0.0.1", "address of the gateway"),
    INT("sshd.port", "2222", 1, 65535, "port of the gateway"),
    PATH("sshd.host_key", "${state}/ssh/host_ed25519", "host key, made when it is missing"),
    STR("sshd.user", "codinglab-ssh", "account of connection processes"),
    INT("sshd.login_grace_s", "30", 1, 600, "seconds to authenticate in"),
    INT("sshd.max_startups", "100", 1, 10000, "connections not yet authenticated, in all"),
    INT("sshd.per_source", "5", 1, 10000, "of these from one address"),
    STR("sshd.exempt", "", "networks without start-up limits and penalties: CIDR,CIDR"),
    INT("sshd.sessions_per_user", "20", 1, 1000, "live sessions of one user"),
    INT("auth.tries", "6", 1, 100, "failed attempts on one connection"),

    STR("tui.pane_user", "codinglab-pane", "account of terminal emulators"),
    INT("tui.scrollback", "2000", 0, 100000, "lines kept of each terminal"),
    INT("tui.frame_ms", "33", 5, 1000, "least pause between frames"),

    STR("edge.listen", "127.0.0.1", "address of the edge"),
    INT("edge.port", "8080", 1, 65535, "port of the edge"),
    STR("edge.domain", "lab.localhost", "apps are APP.USER.DOMAIN"),
    INT("edge.slots", "128", 1, 4096, "apps that the edge has room for"),
    PATH("edge.socket", "${run}/edge/admin.sock", "admin socket of the edge"),
    PATH("edge.dir", "${run}/edge", "sockets and configuration of the edge"),

    PATH("images.dir", "${share}/images", "stacks"),
    PATH("images.rootfs", "/var/cache/codinglab/base-trixie.tar", "file system of the base image"),
    INT("deploy.health_timeout_s", "60", 1, 3600, "a new instance must answer within"),
    INT("deploy.drain_timeout_s", "30", 0, 3600, "longest wait for open requests"),
    INT("deploy.was_default", "1", 1, 20, "WAS instances of a new environment"),
    INT("deploy.web_default", "1", 1, 20, "Web instances of a new environment"),

    PATH("trust.bundle", "/etc/ssl/certs/ca-certificates.crt", "certificates containers trust"),
    PATH("trust.java", "/etc/ssl/certs/java/cacerts", "the same for Java"),
    BOOL("user.register", "no", "register@host takes invitation codes"),
};
const int config_table_count = CL_COUNT(config_table);
