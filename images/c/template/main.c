/* {{project}}: what F5 and `run` start.  Change it and press F5 again. */
#include <stdio.h>

int main(void)
{
	printf("Hello, %s!\n", "{{project}}");
	return 0;
}
