/* Reading a folder's names, in the order in which people expect them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "tui/tree_internal.h"

static enum tree_kind kind_of(int dir, const struct dirent *d)
{
	struct stat st;

	switch (d->d_type) {
	case DT_DIR:
		return TREE_DIR;
	case DT_REG:
		return TREE_FILE;
	case DT_LNK:
		return TREE_LINK;
	case DT_UNKNOWN:
		break;
	default:
		return TREE_OTHER;
	}
	if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TREE_OTHER;
	return S_ISDIR(st.st_mode) ? TREE_DIR : S_ISREG(st.st_mode) ? TREE_FILE
	    : S_ISLNK(st.st_mode) ? TREE_LINK : TREE_OTHER;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* Numbers by value, letters without case, then bytes, so that the order is total. */
static int natural(const char *a, const char *b)
{
	const char *p = a, *q = b;

	while (*p != '\0' && *q != '\0') {
		size_t n = digits(p), m = digits(q);
		unsigned char c = (unsigned char)*p, d = (unsigned char)*q;

		if (n > 0 && m > 0) {
			int r;

			for (; n > 1 && *p == '0'; n--)
				p++;
			for (; m > 1 && *q == '0'; m--)
				q++;
			if (n != m)
				return n < m ? -1 : 1;
			if ((r = strncmp(p, q, n)) != 0)
				return r;
			p += n;
			q += m;
			continue;
		}
		c = c >= 'A' && c <= 'Z' ? (unsigned char)(c | 32) : c;
		d = d >= 'A' && d <= 'Z' ? (unsigned char)(d | 32) : d;
		if (c != d)
			return c < d ? -1 : 1;
		p++;
		q++;
	}
	if (*p != *q)
		return *p == '\0' ? -1 : 1;
	return strcmp(a, b);
}

int tree_list_compare(const struct tree_entry *a, const struct tree_entry *b)
{
	bool x = a->kind == TREE_DIR, y = b->kind == TREE_DIR;

	return x != y ? (x ? -1 : 1) : natural(a->name, b->name);
}

static int compare_cb(const void *a, const void *b)
{
	return tree_list_compare(a, b);
}

int tree_list_read(struct tree_list *l, int root, const char *name, struct cl_err *err)
{
	int fd = path_open_dir(root, name, err);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	size_t cap = 0;
	struct dirent *e;

	memset(l, 0, sizeof(*l));
	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return err_errno(err, CL_FAILED, "%s", name);
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (strncmp(e->d_name, ".codinglab-save-", 16) == 0)
			continue; /* a save under way */
		if (l->n == TREE_ENTRIES_MAX) {
			l->cut = true;
			break;
		}
		if (l->n == cap) {
			cap = cap > 0 ? cap * 2 : 64;
			l->entries = mem_resize(l->entries, cap, sizeof(*l->entries));
		}
		l->entries[l->n++] =
		    (struct tree_entry){ mem_strdup(e->d_name), kind_of(dirfd(d), e) };
	}
	closedir(d);
	if (l->n > 1)
		qsort(l->entries, l->n, sizeof(*l->entries), compare_cb);
	return 0;
}

void tree_list_clear(struct tree_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->entries[i].name);
	mem_free(l->entries);
	memset(l, 0, sizeof(*l));
}
