# Compiler flags of the three builds: dev (sanitizers, -Werror), release (hardened), fuzz (clang).
add_link_options(-Wl,--as-needed)
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
	-Wwrite-strings -Wvla -Wformat=2 -Wno-unused-parameter -Wno-format-truncation -Wno-missing-field-initializers
	-fno-omit-frame-pointer -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64)
if(CL_WERROR)
	add_compile_options(-Werror)
endif()
if(CL_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g)
	add_link_options(-fsanitize=address,undefined)
	add_compile_definitions(CL_SANITIZE=1)
endif()
if(CL_HARDEN)
	add_compile_options(-O2 -g1 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
		-fcf-protection -ftrivial-auto-var-init=zero -fPIE)
	add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
endif()
if(CL_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1 -g)
	add_link_options(-fsanitize=address,undefined)
	add_compile_definitions(CL_SANITIZE=1 CL_FUZZ=1)
endif()
