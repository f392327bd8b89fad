#!/usr/bin/python3
"""images.maven_repositories, the whole way: a folder with small artifacts of the test's own, under eGovFrame's coordinates, is
declared, resolved, baked into an image and named in its label; without it the image says `absent`.  The stack is a copy of egov
that asks for a version nobody else has, so nothing here can be taken for eGovFrame."""
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import ROOT, Lab

VERSION = "0.0.1-test"
GROUP = "org.egovframe.rte"

# What the template uses of the runtime, written for this test; the classes do just enough to serve.
SOURCES = {
    "egovframe-rte-fdl-cmmn": {
        "org/egovframe/rte/fdl/cmmn/EgovAbstractServiceImpl.java": """package org.egovframe.rte.fdl.cmmn;
public abstract class EgovAbstractServiceImpl {
	protected org.slf4j.Logger egovLogger = org.slf4j.LoggerFactory.getLogger("test");
	protected Exception processException(String key, String[] args) { return new Exception(key); }
}""",
        "org/egovframe/rte/fdl/cmmn/trace/LeaveaTrace.java": "package org.egovframe.rte.fdl.cmmn.trace;\npublic class LeaveaTrace { }\n"},
    "egovframe-rte-psl-dataaccess": {
        "org/egovframe/rte/psl/dataaccess/mapper/EgovMapper.java": """package org.egovframe.rte.psl.dataaccess.mapper;
import java.lang.annotation.*;
@Target(ElementType.TYPE) @Retention(RetentionPolicy.RUNTIME) @org.springframework.stereotype.Component
public @interface EgovMapper { String value() default ""; }""",
        "org/egovframe/rte/psl/dataaccess/mapper/MapperConfigurer.java": """package org.egovframe.rte.psl.dataaccess.mapper;
public class MapperConfigurer extends org.mybatis.spring.mapper.MapperScannerConfigurer {
	public MapperConfigurer() { setAnnotationClass(EgovMapper.class); setSqlSessionFactoryBeanName("sqlSession"); }
}"""},
    "egovframe-rte-ptl-mvc": {
        "org/egovframe/rte/ptl/mvc/tags/ui/pagination/PaginationInfo.java": """package org.egovframe.rte.ptl.mvc.tags.ui.pagination;
public class PaginationInfo {
	private int size, total, page;
	public void setRecordCountPerPage(int n) { size = n; }
	public int getRecordCountPerPage() { return size; }
	public void setPageSize(int n) { }
	public void setTotalRecordCount(int n) { total = n; }
	public void setCurrentPageNo(int n) { page = n; }
	public int getTotalPageCount() { return (total + size - 1) / size; }
	public int getFirstRecordIndex() { return (page - 1) * size; }
}"""},
}
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></project>
"""
COMPILE = """set -e
cd /work
classes=$(find /usr/share/codinglab/m2 -name 'spring-*.jar' -o -name 'mybatis*.jar' -o -name 'slf4j-api*.jar' | tr '\\n' :)
for d in src/*; do
	n=$(basename $d); to=repo/GROUP/$n/VERSION
	mkdir -p out/$n $to
	javac -nowarn -cp "$classes" -d out/$n $(find $d -name '*.java')
	jar cf $to/$n-VERSION.jar -C out/$n .
	cp $d/pom.xml $to/$n-VERSION.pom
done
chmod -R a+rX repo
""".replace("GROUP", GROUP.replace(".", "/")).replace("VERSION", VERSION)


FRESH = "cp -r /template /tmp/t; cd /tmp/t; grep -rl '{{project}}' . | xargs sed -i 's/{{project}}/shop/g'; "


def prepare(folder):
    """A stacks folder with egov-test, a copy of egov that asks for the test's version; the sources of its artifacts."""
    images = folder / "images"
    shutil.copytree(ROOT / "images", images)
    stack = images / "egov-test"
    shutil.copytree(images / "egov", stack)
    text = (stack / "stack.json").read_text()
    for old, new in (('"id": "egov"', '"id": "egov-test"'), ('"id": "egov-run"', '"id": "egov-test-run"'), ('"title": "eGovFrame"', '"title": "Test"')):
        text = text.replace(old, new)
    (stack / "stack.json").write_text(text)
    pom = stack / "template/pom.xml"
    pom.write_text(pom.read_text().replace("<egovframe.version>5.0.0<", f"<egovframe.version>{VERSION}<"))
    for name, files in SOURCES.items():
        for path, code in files.items():
            f = folder / "work/src" / name / path
            f.parent.mkdir(parents=True, exist_ok=True)
            f.write_text(code)
        (folder / "work/src" / name / "pom.xml").write_text(POM.format(group=GROUP, name=name, version=VERSION))
    return images


def in_image(lab, script, *mounts):
    return lab.podman("run", "--rm", "--network", "none", "--entrypoint", "", *mounts, "localhost/codinglab/egov-test", "sh", "-c", script)


def build(lab):
    return lab.admin.ssh("image build egov-test --force --timeout 1800s", timeout=1900)


def test_without_the_runtime_the_image_says_so(lab):
    build(lab)
    assert "egov.rte=absent" in in_image(lab, "cat /usr/share/codinglab/labels").split("\n")
    assert "<repository>" not in in_image(lab, "cat /etc/maven/settings.xml")


def test_asking_for_the_runtime_fails_in_one_line(lab):
    script = FRESH + "EGOV_PROFILE=egovframe egov-mvn -B -q -o compile 2>&1; echo status $?"
    lines = in_image(lab, script, "-v", f"{lab.dir}/images/egov-test/template:/template:ro").strip().split("\n")
    assert len(lines) == 2 and lines[0].startswith(f"egov: {GROUP}:egovframe-rte-") and "images.maven_repositories" in lines[0] and lines[1] == "status 1", lines


def test_a_folder_is_resolved_baked_and_named(lab):
    in_image(lab, COMPILE, "-v", f"{lab.dir}/work:/work")
    subprocess.run([ROOT / "lab", "down"], env=lab.env, capture_output=True, check=True)
    lab.env["CODINGLAB_IMAGES_MAVEN_REPOSITORIES"] = f"file://{lab.dir}/work/repo"
    lab.up("--no-images")
    build(lab)
    assert f"egov.rte={VERSION}" in in_image(lab, "cat /usr/share/codinglab/labels").split("\n")
    settings = in_image(lab, "cat /etc/maven/settings.xml")
    assert "<url>file:///usr/share/codinglab/maven/1</url>" in settings and str(lab.dir) not in settings
    baked = in_image(lab, "find /usr/share/codinglab/m2/org/egovframe -name '*.jar' | sort").split()
    assert [pathlib.Path(p).name for p in baked] == sorted(f"{n}-{VERSION}.jar" for n in SOURCES)


def test_the_templates_tests_run_on_it_without_a_network(lab):
    script = FRESH + "egov-mvn -B -o test 2>&1"
    out = in_image(lab, script, "-v", f"{lab.dir}/images/egov-test/template:/template:ro")
    assert "Tests run: 5, Failures: 0, Errors: 0" in out and "eGov layout" not in out, out[-2000:]


def main():
    lab = Lab(images="java")
    enter = lab.make_key

    def early(name):  # the folder is there once the first key is made, before anything is started
        if name == "admin":
            lab.env["CODINGLAB_IMAGES_DIR"] = str(prepare(lab.dir))
        return enter(name)

    lab.make_key = early
    with lab:
        try:
            return cases.main(globals(), lab)
        finally:
            lab.podman("rmi", "-f", "localhost/codinglab/egov-test", check=False)


sys.exit(main())
