/*
 *   e->stacks ──► shot (refs 2) ◄── a build that began before the last `stack add`
 *
 * The shot holds the set as its first member, so that a set is all that anybody sees.
 */
#include "engine/stacks.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "images/bases.h"

struct stacks_shot {
	struct stack_set set; /* first */
	atomic_int refs;
};

static int stacks_base(struct bases *bases, const struct stack_set *set, const struct base **base,
    struct cl_err *err);
static struct stacks_shot *stacks_of(const struct stack_set *set);
static int stacks_add_all(struct stack_set *set, const char *dir, const char *must,
    const char *without, struct cl_err *err);
static void stacks_add_rounds(struct stack_set *set, const char *dir, const char *without,
    char (*left)[NAME_SIZE], size_t *nleft);
static bool stacks_add_round(struct stack_set *set, const char *dir, const char *without,
    char (*left)[NAME_SIZE], size_t *nleft);

int stacks_open(struct engine *e, struct cl_err *err)
{
	e->stacks_changing = false;
	e->stacks = stacks_read(NULL, NULL, NULL, err);
	return e->stacks != NULL ? 0 : -1;
}

void stacks_close(struct engine *e)
{
	stacks_give(e->stacks);
	e->stacks = NULL;
}

const struct stack_set *stacks_now(const struct engine *e)
{
	return e->stacks;
}

const struct stack_set *stacks_take(struct engine *e)
{
	(void)atomic_fetch_add(&stacks_of(e->stacks)->refs, 1);
	return e->stacks;
}

void stacks_give(const struct stack_set *set)
{
	struct stacks_shot *shot = stacks_of(set);

	if (set == NULL || atomic_fetch_sub(&shot->refs, 1) > 1)
		return;
	stack_clear(&shot->set);
	mem_free(shot);
}

char *stacks_dir(void)
{
	return mem_printf("%s/stacks", config_str("state.dir"));
}

const struct stack_set *stacks_read(const char *extra, const char *must, const char *without,
    struct cl_err *err)
{
	cl_autofree char *added = stacks_dir();
	struct stacks_shot *shot = mem_alloc(sizeof(*shot));
	const struct base *base = NULL;
	struct bases bases = { 0 };
	cl_autofree void *names = mem_array(STACK_MAX, NAME_SIZE);
	char (*left)[NAME_SIZE] = names;
	size_t nleft;
	int rc;

	atomic_init(&shot->refs, 1);
	rc = stack_load(&shot->set, config_str("images.dir"), err);
	if (rc == 0)
		rc = stacks_base(&bases, &shot->set, &base, err);
	if (rc == 0 && extra != NULL) {
		/* it may stand upon another that was added, and others upon it */
		stacks_add_rounds(&shot->set, added, must, left, &nleft);
		rc = stack_add(&shot->set, extra, must, err);
	}
	if (rc == 0)
		rc = stacks_add_all(&shot->set, added, extra == NULL ? must : NULL,
		    extra != NULL ? must : without, err);
	if (rc == 0)
		bases_apply(base, &shot->set);
	bases_clear(&bases);
	if (rc == 0)
		return &shot->set;
	stacks_give(&shot->set);
	return NULL;
}

void stacks_swap(struct engine *e, const struct stack_set *set)
{
	stacks_give(e->stacks);
	e->stacks = set;
}

static struct stacks_shot *stacks_of(const struct stack_set *set)
{
	return (struct stacks_shot *)(uintptr_t)set;
}

/* The row of images.base; what it names is there. */
static int stacks_base(struct bases *bases, const struct stack_set *set, const struct base **base,
    struct cl_err *err)
{
	if (bases_load(bases, config_str("images.dir"), err) != 0)
		return -1;
	*base = bases_find(bases, config_str("images.base"), err);
	return *base != NULL ? bases_check(*base, set, err) : -1;
}

/* One may build upon another: rounds, until nothing more fits. */
static void stacks_add_rounds(struct stack_set *set, const char *dir, const char *without,
    char (*left)[NAME_SIZE], size_t *nleft)
{
	while (stacks_add_round(set, dir, without, left, nleft))
		;
}

static int stacks_add_all(struct stack_set *set, const char *dir, const char *must,
    const char *without, struct cl_err *err)
{
	char (*left)[NAME_SIZE] = mem_array(STACK_MAX, sizeof(*left));
	size_t nleft = 0;
	int rc = 0;

	stacks_add_rounds(set, dir, without, left, &nleft);
	for (size_t i = 0; i < nleft && rc == 0; i++) {
		struct cl_err why = { 0 };

		(void)stack_add(set, dir, left[i], &why);
		if (must != NULL && strcmp(left[i], must) == 0) {
			*err = why;
			rc = -1;
		} else {
			log_warn("stack %s: left out: %s", left[i], why.message);
		}
	}
	mem_free(left);
	return rc;
}

/* Adds what can be added; left are those that could not.  true when another round may help. */
static bool stacks_add_round(struct stack_set *set, const char *dir, const char *without,
    char (*left)[NAME_SIZE], size_t *nleft)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool more = false;

	*nleft = 0;
	while (d != NULL && (e = readdir(d)) != NULL) {
		const struct stack *there;

		if (!name_valid(e->d_name) || (without != NULL && strcmp(e->d_name, without) == 0))
			continue;
		there = stack_find(set, e->d_name);
		if (there != NULL && there->added)
			continue;
		if (stack_add(set, dir, e->d_name, NULL) == 0)
			more = true;
		else if (*nleft < STACK_MAX)
			(void)mem_copy_str(left[(*nleft)++], NAME_SIZE, e->d_name);
	}
	if (d != NULL)
		closedir(d);
	return more && *nleft > 0;
}
