#!/usr/bin/python3
"""TERM=dumb: no IDE, but numbered plain text that does the same by lines."""
import sys

import cases
from lab import Lab

DUMB = {"TERM": "dumb"}


def test_home_is_a_numbered_list_and_a_number_opens_a_project(lab, alice):
    with alice.screen("", 40, 100, DUMB) as s:
        s.expect(r"CodingLab: projects")
        s.expect(r"1  alice\.notes +python")
        s.expect(r"^codinglab>")
        s.send("1<Enter>")
        s.expect(r"CodingLab: project alice\.notes")
        s.expect(r"1  run ")
        s.expect(r"5  scale ")
        assert "┌" not in s.text() and "\x1b" not in s.text()


def test_numbers_verbs_and_words_of_its_own_do_what_they_say(lab, alice):
    with alice.screen("notes", 60, 100, DUMB) as s:
        s.expect(r"project notes")
        s.send("8<Enter>")
        s.expect("no releases|VERSION")
        s.send("frobnicate-this<Enter>")  # no verb and no program: the project's container says so, by its status
        s.expect(r"\[status \d+\]")
        s.send("stack show nosuch<Enter>")
        s.expect("nosuch")
        s.expect(r"\[status 4\]")
        s.send("99<Enter>")
        s.expect("99: no such number")
        s.send("b<Enter>")
        s.expect(r"^codinglab>")


def test_leaving_ends_the_connection_with_status_0(lab, alice):
    for leave in ("q<Enter>", "\x04"):
        with alice.screen("", 24, 80, DUMB) as s:
            s.expect(r"^codinglab>")
            s.send(leave)
            for _ in range(100):
                s.pump(0.1)
                if s.closed:
                    break
            s.close()
            assert s.status == 0, s.status


def test_names_of_strangers_stay_text(lab, alice):
    p = alice.ssh("project create evil --stack python --description '\x1b[31mred\x07'")
    with alice.screen("", 40, 100, DUMB) as s:
        s.expect(r"alice\.evil")
        assert "\x1b[31m" not in s.text()


def main():
    with Lab(backend="sim") as lab:
        alice = lab.user("alice")
        alice.ssh("project create notes --stack python")
        return cases.main(globals(), lab, alice)


sys.exit(main())
