/*
 * What the container engine is sent to create a container, as a whole (battery row G7): the
 * documents below were written by hand, from what a container of each tier is to be, and nothing may
 * be missing from them or stand beside them.
 */
#include "tests/unit/broker/head.h"

#include "engine/broker/docker.h"

static struct place place;

static void is(const struct head_spec *h, const char *golden)
{
	json_error_t e;
	json_t *want = json_loads(golden, JSON_REJECT_DUPLICATES, &e), *got, *again;
	cl_autofree char *sent = NULL, *wanted = NULL;
	struct cl_err err = {0};
	struct spec s;

	if (!want)
		fail_msg("the document itself: line %d: %s", e.line, e.text);
	if (head_parse(h, &place, &s, &err) < 0)
		fail_msg("%s", err.message);
	got = spec_json_make(&s, &place);
	spec_clear(&s);
	sent = json_dumps(got, JSON_INDENT(1) | JSON_SORT_KEYS);
	wanted = json_dumps(want, JSON_INDENT(1) | JSON_SORT_KEYS);
	assert_string_equal(sent, wanted);
	again = json_loads(sent, JSON_REJECT_DUPLICATES, NULL); /* it is what it says also on the wire */
	assert_true(json_equal(again, want));
	json_decref(again);
	json_decref(got);
	json_decref(want);
}

#define LABELS(name, env, tier)                                                              \
	"\"Labels\": {\"codinglab.instance\": \"5eed5eed01234567\", \"codinglab.name\": \"" name "\"," \
	" \"codinglab.project\": \"12\", \"codinglab.env\": \"" env "\", \"codinglab.tier\": \"" tier "\"," \
	" \"codinglab.n\": \"3\", \"codinglab.release\": \"7\", \"codinglab.generation\": \"-5\"}"
/* What no container of ours is without. */
#define ALWAYS                                                                               \
	"\"Privileged\": false, \"CapDrop\": [\"ALL\"], \"SecurityOpt\": [\"no-new-privileges\"],"  \
	"\"IpcMode\": \"private\", \"AutoRemove\": false, \"RestartPolicy\": {\"Name\": \"no\"},"   \
	"\"LogConfig\": {\"Type\": \"k8s-file\", \"Config\": {\"max-size\": \"10m\"}}"

static void a_was_of_production(void **state)
{
	struct head_spec h = head_good();

	is(&h,
	    "{\"Image\": \"localhost/codinglab/python-run:latest\", \"User\": \"10102:10102\","
	    " \"Env\": [\"PORT=8000\", \"PW=a\\\"b\\\\c\\n\"], \"Cmd\": [\"sh\", \"-c\", \"echo \\\"$PORT\\\"\"],"
	    " \"Hostname\": \"was-3\", \"WorkingDir\": \"/app\", \"StopTimeout\": 10,"
	    LABELS("p12-prod-was-3-r7", "prod", "was") ","
	    " \"HostConfig\": {" ALWAYS ", \"NetworkMode\": \"cl-5eed5eed-p12-prod\", \"ReadonlyRootfs\": true,"
	    "  \"PidsLimit\": 256, \"Memory\": 536870912, \"MemorySwap\": 536870912, \"NanoCpus\": 1500000000,"
	    "  \"Mounts\": [], \"Tmpfs\": {}},"
	    " \"NetworkingConfig\": {\"EndpointsConfig\": {\"cl-5eed5eed-p12-prod\": {\"Aliases\": [\"was\"]}}}}");
}

static void a_dev_container(void **state)
{
	struct head_spec h = head_good();

	h.name = "p12-dev";
	h.env = h.tier = "dev";
	h.alias = "";
	h.network = "p12-dev";
	h.read_only_root = 0;
	h.argv[0] = NULL;
	h.vars[0][0] = NULL;
	h.mounts[0].kind = BROKER_MOUNT_WORKSPACE;
	h.mounts[0].target = "/workspace";
	h.mounts[1].kind = BROKER_MOUNT_HOME;
	h.mounts[1].target = "/home/user";
	h.mounts[2].kind = BROKER_MOUNT_TMP;
	h.mounts[2].target = "/tmp";
	h.mounts[0].source = h.mounts[1].source = h.mounts[2].source = "";
	h.nmounts = 3;
	mem_copy_str(place.helper, sizeof(place.helper), "/usr/lib/lab/codinglab-pty");
	is(&h,
	    "{\"Image\": \"localhost/codinglab/python-run:latest\", \"User\": \"10102:10102\", \"Env\": [],"
	    " \"Hostname\": \"was-3\", \"WorkingDir\": \"/app\", \"StopTimeout\": 10,"
	    LABELS("p12-dev", "dev", "dev") ","
	    " \"HostConfig\": {" ALWAYS ", \"NetworkMode\": \"cl-5eed5eed-p12-dev\", \"ReadonlyRootfs\": false,"
	    "  \"PidsLimit\": 256, \"Memory\": 536870912, \"MemorySwap\": 536870912, \"NanoCpus\": 1500000000,"
	    "  \"Mounts\": ["
	    "   {\"Type\": \"bind\", \"Source\": \"/var/tmp/lab/projects/12/work\", \"Target\": \"/workspace\", \"ReadOnly\": false},"
	    "   {\"Type\": \"bind\", \"Source\": \"/var/tmp/lab/projects/12/home\", \"Target\": \"/home/user\", \"ReadOnly\": false},"
	    "   {\"Type\": \"bind\", \"Source\": \"/var/tmp/lab/run/tty/p12-dev\", \"Target\": \"/run/codinglab\", \"ReadOnly\": true},"
	    "   {\"Type\": \"bind\", \"Source\": \"/usr/lib/lab/codinglab-pty\", \"Target\": \"/run/codinglab-pty\", \"ReadOnly\": true}],"
	    "  \"Tmpfs\": {\"/tmp\": \"rw,nosuid,nodev,size=256m,mode=1777\"}},"
	    " \"NetworkingConfig\": {\"EndpointsConfig\": {\"cl-5eed5eed-p12-dev\": {}}}}");
	place.helper[0] = '\0';
}

/* The web tier has the edge's folder, to be read alone; the database has its volume. */
static void a_web_and_a_database(void **state)
{
	struct head_spec h = head_good();

	h.name = "p12-prod-web-3-r7";
	h.tier = "web";
	h.argv[0] = h.vars[0][0] = NULL;
	h.mounts[0].kind = BROKER_MOUNT_EDGE;
	h.mounts[0].source = "17";
	h.mounts[0].target = "/run/edge";
	h.mounts[1].kind = BROKER_MOUNT_VOLUME;
	h.mounts[1].source = "p12-prod-db";
	h.mounts[1].target = "/var/lib/data";
	h.nmounts = 2;
	h.cpu = h.grace = 0;
	h.hostname = h.workdir = h.alias = "";
	is(&h,
	    "{\"Image\": \"localhost/codinglab/python-run:latest\", \"User\": \"10102:10102\", \"Env\": [],"
	    LABELS("p12-prod-web-3-r7", "prod", "web") ","
	    " \"HostConfig\": {" ALWAYS ", \"NetworkMode\": \"cl-5eed5eed-p12-prod\", \"ReadonlyRootfs\": true,"
	    "  \"PidsLimit\": 256, \"Memory\": 536870912, \"MemorySwap\": 536870912, \"Tmpfs\": {},"
	    "  \"Mounts\": ["
	    "   {\"Type\": \"bind\", \"Source\": \"/var/tmp/lab/run/edge/17\", \"Target\": \"/run/edge\", \"ReadOnly\": true},"
	    "   {\"Type\": \"volume\", \"Source\": \"cl-5eed5eed-p12-prod-db\", \"Target\": \"/var/lib/data\", \"ReadOnly\": false}]},"
	    " \"NetworkingConfig\": {\"EndpointsConfig\": {\"cl-5eed5eed-p12-prod\": {}}}}");
}

/* With nothing that can be left out: no network at all, and a limit of processes all the same. */
static void the_least_that_can_be_asked(void **state)
{
	struct head_spec h = {.name = "p12-job", .env = "prod", .tier = "job", .image = "base", .network = "",
	    .alias = "", .hostname = "", .workdir = "", .user = "", .health = "", .project = 12,
	    .uid = 10102, .gid = 10103, .generation = -5};

	is(&h,
	    "{\"Image\": \"localhost/codinglab/base:latest\", \"User\": \"10102:10103\", \"Env\": [],"
	    LABELS("p12-job", "prod", "job") ","
	    " \"HostConfig\": {" ALWAYS ", \"NetworkMode\": \"none\", \"ReadonlyRootfs\": false,"
	    "  \"PidsLimit\": 512, \"Mounts\": [], \"Tmpfs\": {}}}");
}

/* JSON cannot say other bytes: such a word must end the request, not be left out of it. */
static void words_that_are_no_text_are_refused(void **state)
{
	static const char *const bad[] = {"\xff", "caf\xe9", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xc3"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		for (int where = 0; where < 2; where++) {
			struct head_spec h = head_good();
			struct cl_err err = {0};
			struct spec s;

			if (where)
				h.argv[1] = bad[i];
			else
				h.vars[1][1] = bad[i];
			if (head_parse(&h, &place, &s, &err) == 0)
				fail_msg("row %zu was taken", i);
			assert_int_equal(err.code, CL_USAGE);
			spec_clear(&s);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_was_of_production),
	    cmocka_unit_test(a_dev_container),
	    cmocka_unit_test(a_web_and_a_database),
	    cmocka_unit_test(the_least_that_can_be_asked),
	    cmocka_unit_test(words_that_are_no_text_are_refused),
	};

	head_place(&place);
	mem_copy_str(place.instance, sizeof(place.instance), "5eed5eed01234567");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
