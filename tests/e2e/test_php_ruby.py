#!/usr/bin/python3
"""A project's own packages in PHP and Ruby: in the dev container, in a release, and when there is no registry."""
import pathlib
import sys

import cases
from lab import Lab

COMPOSER = """{
	"name": "alice/page", "type": "project",
	"require": {"php": ">=8.2", "acme/shout": "*"},
	"repositories": [{"type": "path", "url": "packages/*", "options": {"symlink": false}}],
	"autoload": {"psr-4": {"App\\\\": "src/"}}
}
"""
SHOUT_JSON = '{"name": "acme/shout", "version": "1.0.0", "autoload": {"psr-4": {"Acme\\\\": "src/"}}}'
SHOUT_PHP = "<?php\nnamespace Acme;\nfinal class Shout { static function out(string $s): string { return strtoupper($s) . '!'; } }\n"
GEMSPEC = """Gem::Specification.new do |s|
  s.name = "shout"
  s.version = "1.0.0"
  s.summary = "a gem with C in it"
  s.authors = ["alice"]
  s.files = ["ext/shout.c", "ext/extconf.rb"]
  s.extensions = ["ext/extconf.rb"]
  s.require_paths = ["lib"]
end
"""
SHOUT_C = """#include <ruby.h>
static VALUE out(VALUE self, VALUE s) { return rb_str_cat_cstr(rb_funcall(s, rb_intern("upcase"), 0), "!"); }
void Init_shout(void) { rb_define_module_function(rb_define_module("Shout"), "out", out, 1); }
"""
# A registry of gems in a folder, as `gem generate_index` makes one.
INDEX = """require "fileutils"
require "rubygems/package"
require "zlib"
gem = Dir["registry/gems/*.gem"].first
spec = Gem::Package.new(gem).spec
specs = [[spec.name, spec.version, "ruby"]]
{ "specs" => specs, "latest_specs" => specs, "prerelease_specs" => [] }.each do |name, list|
  Zlib::GzipWriter.open("registry/#{name}.4.8.gz") { |f| f.write(Marshal.dump(list)) }
end
FileUtils.mkdir_p("registry/quick/Marshal.4.8")
File.binwrite("registry/quick/Marshal.4.8/#{spec.full_name}.gemspec.rz", Zlib.deflate(Marshal.dump(spec)))
"""
EXTCONF = 'require "mkmf"\ncreate_makefile "shout"\n'


def put(who, project, path, text):
    who.ssh(f"mkdir -p $(dirname {path}) && cat >{path}", project, input=text.encode())


def edit(who, project, path, old, new):
    work = pathlib.Path(who.json(f"project show {project}")["workspace"])
    text = (work / path).read_text()
    assert old in text, (path, old)
    put(who, project, path, text.replace(old, new))


def ship(who, project):
    """The URL of what was shipped."""
    return who.ssh("ship --timeout 900s", project, timeout=1000).stdout.strip().split("\n")[-1]


def test_a_php_project_s_own_package(lab, alice):
    alice.ssh("project create page --stack php")
    put(alice, "page", "packages/shout/composer.json", SHOUT_JSON)
    put(alice, "page", "packages/shout/src/Shout.php", SHOUT_PHP)
    put(alice, "page", "composer.json", COMPOSER)
    put(alice, "page", "main.php", "<?php\nrequire 'src/autoload.php';\necho Acme\\Shout::out('hello'), \"\\n\";\n")
    alice.ssh("composer install --no-interaction --quiet", "page")
    assert "HELLO!" in alice.ssh("run", "page").stdout
    # The release makes its own vendor/, whatever the workspace has.
    alice.ssh("rm -rf vendor", "page")
    edit(alice, "page", "src/App.php", "Hello from page", "{$this->title()}")
    edit(alice, "page", "src/App.php", "    private function text(",
         "    private function title(): string\n    {\n        return \\Acme\\Shout::out('shipped');\n    }\n\n    private function text(")
    status, body = lab.get(ship(alice, "page"))
    assert status == 200 and "<h1>SHIPPED!</h1>" in body, (status, body)


def test_a_php_package_that_nobody_has(lab, alice):
    edit(alice, "page", "composer.json", '"acme/shout": "*"', '"acme/shout": "*", "acme/nowhere-to-be-found": "^1.0"')
    p = alice.ssh("ship --timeout 900s", "page", check=False, timeout=1000)
    assert p.returncode != 0, p.stdout
    assert "composer could not install what composer.json asks for" in p.stdout + p.stderr, p.stdout + p.stderr


def test_a_ruby_project_s_own_gem_with_c_in_it(lab, alice):
    alice.ssh("project create gems --stack ruby")
    put(alice, "gems", "shout/shout.gemspec", GEMSPEC)
    put(alice, "gems", "shout/ext/shout.c", SHOUT_C)
    put(alice, "gems", "shout/ext/extconf.rb", EXTCONF)
    put(alice, "gems", "index.rb", INDEX)
    alice.ssh("mkdir -p registry/gems && cd shout && gem build --silent --output ../registry/gems/shout-1.0.0.gem shout.gemspec", "gems")
    alice.ssh("ruby index.rb && rm -r shout", "gems")
    edit(alice, "gems", "Gemfile", "source Gem.sources.to_a.first", 'source "file://#{__dir__}/registry"')
    edit(alice, "gems", "Gemfile", 'gem "rack"', 'gem "rack"\ngem "shout"')
    alice.ssh("bundle install --quiet", "gems")
    put(alice, "gems", "main.rb", 'require "bundler/setup"\nrequire "shout"\nputs Shout.out("hello")\n')
    assert "HELLO!" in alice.ssh("run", "gems").stdout
    edit(alice, "gems", "app.rb", "Hello from gems", '<%= Shout.out("shipped") %>')
    edit(alice, "gems", "app.rb", 'require "erb"', 'require "erb"\nrequire "shout"')
    status, body = lab.get(ship(alice, "gems"))
    assert status == 200 and "<h1>SHIPPED!</h1>" in body, (status, body)


def test_a_gem_that_nobody_has(lab, alice):
    edit(alice, "gems", "Gemfile", 'gem "shout"', 'gem "shout"\ngem "nowhere-to-be-found"')
    p = alice.ssh("ship --timeout 900s", "gems", check=False, timeout=1000)
    assert p.returncode != 0, p.stdout
    assert "bundler could not install what the Gemfile asks for" in p.stdout + p.stderr, p.stdout + p.stderr


def main():
    with Lab(images="php ruby web postgresql") as lab:
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())
