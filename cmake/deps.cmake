# Every foreign library, found once. docs/DECISIONS.md says why each is here.
find_package(PkgConfig REQUIRED)
foreach(dep IN ITEMS "UV:libuv" "LWS:libwebsockets" "CURL:libcurl" "JANSSON:jansson" "SQLITE:sqlite3"
		"SODIUM:libsodium" "SSL:openssl" "SECCOMP:libseccomp" "SSH:libssh" "VTERM:vterm" "NCURSES:ncursesw"
		"ARCHIVE:libarchive" "PCRE2:libpcre2-8" "UTF8PROC:libutf8proc" "YAML:yaml-0.1" "CMOCKA:cmocka")
	string(REPLACE ":" ";" pair ${dep})
	list(GET pair 0 var)
	list(GET pair 1 pkg)
	pkg_check_modules(${var} REQUIRED IMPORTED_TARGET ${pkg})
endforeach()
