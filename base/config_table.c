/*
 * Every option, once.  The parser, `codinglab info`, the man page and the tests read this table.
 * The fallback of run.dir depends on state.dir: config.c computes it.
 */
#include "base/config.h"

#include "base/mem.h"

const struct config_option config_table[] = {
    {"state.dir", CONFIG_PATH, "/var/lib/codinglab", 0, 0,
	"database, workspaces, keys; also $CODINGLAB_STATE"},
    {"run.dir", CONFIG_PATH, "/run/codinglab", 0, 0,
	"sockets; /run/codinglab, or run/ in another state.dir"},
    {"bin.dir", CONFIG_PATH, "/usr/local/lib/codinglab/bin", 0, 0, "programs of the platform"},
    {"share.dir", CONFIG_PATH, "/usr/local/lib/codinglab/share", 0, 0,
	"files that come with the platform"},
    {"log.level", CONFIG_STR, "info", 0, 0, "debug, info, warn or error"},

    {"engine.socket", CONFIG_PATH, "${run}/engine.sock", 0, 0, "REST interface"},
    {"engine.auth_socket", CONFIG_PATH, "${run}/auth.sock", 0, 0, "listener to engine"},
    {"engine.backend", CONFIG_STR, "local", 0, 0, "local, kube or sim"},
    {"engine.user", CONFIG_STR, "codinglab", 0, 0, "account of the engine"},
    {"engine.uid_base", CONFIG_INT, "200000", 10000, 2000000000, "uid of a user = this + user id"},
    {"engine.gid_base", CONFIG_INT, "300000", 10000, 2000000000,
	"gid of a project = this + project id"},
    {"engine.reconcile_ms", CONFIG_INT, "15000", 50, 3600000,
        "pause between looks at what nothing was heard of; changes are told by the backend"},

    {"runtime.socket", CONFIG_PATH, "${run}/podman/podman.sock", 0, 0,
	"Docker API of Podman or Docker"},
    {"runtime.build_socket", CONFIG_PATH, "${run}/podman/build.sock", 0, 0,
	"the same for building images; runtime.socket where it is not there"},
    {"runtime.broker_socket", CONFIG_PATH, "${run}/broker/broker.sock", 0, 0,
	"engine to runtime broker"},
    {"runtime.exec_socket", CONFIG_PATH, "${run}/exec.sock", 0, 0,
	"terminals and programs in containers"},
    {"runtime.memory_mb", CONFIG_INT, "2048", 64, 1048576, "memory of a dev container, MiB"},
    {"runtime.pids", CONFIG_INT, "512", 16, 1000000, "processes of a dev container"},

    {"sshd.listen", CONFIG_STR, "127.0.0.1", 0, 0, "address of the gateway"},
    {"sshd.port", CONFIG_INT, "2222", 1, 65535, "port of the gateway"},
    {"sshd.host_key", CONFIG_PATH, "${state}/ssh/host_ed25519", 0, 0,
	"host key, made when it is missing"},
    {"sshd.user", CONFIG_STR, "codinglab-ssh", 0, 0, "account of connection processes"},
    {"sshd.login_grace_s", CONFIG_INT, "30", 1, 600, "seconds to authenticate in"},
    {"sshd.max_startups", CONFIG_INT, "100", 1, 10000, "connections not yet authenticated, in all"},
    {"sshd.per_source", CONFIG_INT, "5", 1, 10000, "of these from one address"},
    {"sshd.exempt", CONFIG_STR, "", 0, 0,
	"networks without start-up limits and penalties: CIDR,CIDR"},
    {"sshd.sessions_per_user", CONFIG_INT, "20", 1, 1000, "live sessions of one user"},
    {"auth.tries", CONFIG_INT, "6", 1, 100, "failed attempts on one connection"},

    {"tui.pane_user", CONFIG_STR, "codinglab-pane", 0, 0, "account of terminal emulators"},
    {"tui.scrollback", CONFIG_INT, "2000", 0, 100000, "lines kept of each terminal"},
    {"tui.language", CONFIG_STR, "auto", 0, 0, "auto (the user's LANG), en or ko"},
    {"tui.mouse", CONFIG_BOOL, "yes", 0, 1, "sessions begin with the mouse on"},
    {"tui.frame_ms", CONFIG_INT, "20", 5, 1000, "least pause between frames"},

    {"edge.listen", CONFIG_STR, "127.0.0.1", 0, 0, "address of the edge"},
    {"edge.port", CONFIG_INT, "8080", 1, 65535, "port of the edge"},
    {"edge.domain", CONFIG_STR, "lab.localhost", 0, 0, "apps are APP.USER.DOMAIN"},
    {"edge.slots", CONFIG_INT, "128", 1, 4096, "apps that the edge has room for"},
    {"edge.socket", CONFIG_PATH, "${run}/edge/admin.sock", 0, 0, "admin socket of the edge"},
    {"edge.dir", CONFIG_PATH, "${run}/edge", 0, 0, "sockets and configuration of the edge"},

    {"images.dir", CONFIG_PATH, "${share}/images", 0, 0, "stacks"},
    {"images.rootfs", CONFIG_PATH, "/var/cache/codinglab/base-trixie.tar", 0, 0,
	"file system of the base image"},
    {"images.maven_repositories", CONFIG_STR, "", 0, 0,
	"Maven repositories of images besides its own, in order: URL,file:///FOLDER"},
    {"images.keep", CONFIG_INT, "5", 1, 1000,
        "releases of an environment whose images are kept for rollback"},

    {"registry.port", CONFIG_INT, "0", 0, 65535,
        "port of the repository on the loopback address, 0 = none"},
    {"registry.url", CONFIG_STR, "", 0, 0,
        "a registry of the operator's own instead: http(s)://HOST[:PORT][/PREFIX]"},
    {"registry.user", CONFIG_STR, "codinglab", 0, 0, "account in the registry"},
    {"registry.password_file", CONFIG_PATH, "${state}/registry/password", 0, 0, "its password"},
    {"registry.dir", CONFIG_PATH, "${state}/registry", 0, 0, "files of the own registry"},
    {"registry.account", CONFIG_STR, "codinglab-registry", 0, 0, "account of the own registry"},
    {"registry.program", CONFIG_PATH, "/usr/bin/docker-registry", 0, 0, "the own registry"},
    {"registry.releases", CONFIG_BOOL, "yes", 0, 1, "releases go into the repository"},
    {"registry.stacks", CONFIG_BOOL, "yes", 0, 1, "images of stacks go there when they are built"},

    {"deploy.health_timeout_s", CONFIG_INT, "60", 1, 3600, "a new instance must answer within"},
    {"deploy.drain_timeout_s", CONFIG_INT, "30", 0, 3600, "longest wait for open requests"},
    {"deploy.was_default", CONFIG_INT, "1", 1, 20, "WAS instances of a new environment"},
    {"deploy.web_default", CONFIG_INT, "1", 1, 20, "Web instances of a new environment"},

    {"trust.bundle", CONFIG_PATH, "/etc/ssl/certs/ca-certificates.crt", 0, 0,
	"PEM certificates that dev containers and builds trust, mounted, never in an image"},
    {"trust.java", CONFIG_PATH, "/etc/ssl/certs/java/cacerts", 0, 0,
	"the same for Java, used only where p11-kit cannot make it from trust.bundle"},
    {"trust.dir", CONFIG_PATH, "${run}/trust", 0, 0, "where the files are that are mounted"},
    {"user.register", CONFIG_BOOL, "no", 0, 1, "register@host takes invitation codes"},
};
const int config_table_count = CL_COUNT(config_table);
