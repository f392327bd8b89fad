/* Tests of the web application's text and store.  Each check prints what was not so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../web/store.h"
#include "../web/text.h"

static int failures;

#define CHECK(x) ((x) ? (void)0 : (failures++, (void)printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #x)))

static void test_text(void)
{
	char space[] = " \t two words \n", escaped[] = "p%40ss%zz%4";
	struct text t = {0};

	text_add(&t, "<li>");
	text_add_html(&t, "<b>\"'&");
	CHECK(strcmp(t.data, "<li>&lt;b&gt;&quot;&#39;&amp;") == 0);
	free(t.data);
	CHECK(strcmp(text_trim(space), "two words") == 0);
	text_unescape(escaped);
	CHECK(strcmp(escaped, "p@ss%zz%4") == 0);
	CHECK(text_is_name("재고", 2));
	CHECK(!text_is_name("재고", 1));
	CHECK(!text_is_name("", 9));
	CHECK(!text_is_name("\xff", 9));
	CHECK(!text_is_name("\xed\xa0\x80", 9));
}

static void collect(void *arg, const char *name)
{
	text_add(arg, name);
	text_add(arg, ";");
}

static void test_store(void)
{
	char folder[] = "/tmp/test-XXXXXX";
	struct text t = {0};
	struct store *s;

	CHECK(mkdtemp(folder) && chdir(folder) == 0);
	CHECK(!store_new("oracle://app@db/app"));
	s = store_new(NULL);
	CHECK(store_migrate(s));
	CHECK(store_migrate(s)); /* again: nothing is left to do */
	CHECK(store_add(s, "'); DROP TABLE item; --"));
	CHECK(store_names(s, collect, &t));
	CHECK(t.data && strcmp(t.data, "a row from the database;'); DROP TABLE item; --;") == 0);
	free(t.data);
	store_free(s);
	CHECK(unlink("app.db") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
}

int main(void)
{
	test_text();
	test_store();
	printf("%d failures\n", failures);
	return failures != 0;
}
