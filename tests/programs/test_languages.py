"""perl, python3, PHP, Ruby, sqlite3."""

from __future__ import annotations

import signal

import pytest

from programs.harness import GUESTS, Same, sections

PERL = sections("perl.txt")


@pytest.mark.parametrize("name", PERL)
def test_perl(same: Same, name: str) -> None:
    text = "the cat and the dog and the bird\n" * 5
    same("perl", "-e", PERL[name], stdin=text, status=None)


PYTHON = "/usr/bin/python3"
SCRIPT = (GUESTS / "script.py").read_text()

ONE_LINERS = sections("python.txt")


@pytest.mark.parametrize("name", ONE_LINERS)
def test_python(same: Same, name: str) -> None:
    same(PYTHON, "-c", ONE_LINERS[name], env={"PYTHONHASHSEED": "0"}, status=None)


def test_python_script(same: Same) -> None:
    same("./script.py", "a", files={"script.py": SCRIPT}, env={"PYTHONHASHSEED": "0"}, status=5)


@pytest.mark.all_modes
def test_python_hello(same: Same) -> None:
    same(PYTHON, "-S", "-c", "print(sum(i * i for i in range(10000)))")


MODULES = sections("python_modules.txt")


@pytest.mark.tiers(plain="ci", interpreted="long")
@pytest.mark.parametrize("name", MODULES)
def test_python_modules(same: Same, name: str) -> None:
    """Threads, processes and sockets, as people use them."""
    same.need("openssl")
    same(PYTHON, "-c", MODULES[name], ignore=["*"])


@pytest.mark.tiers(plain="ci", interpreted="ci")
def test_php(same: Same) -> None:
    same("php", "-n", str(GUESTS / "script.php"), "one", "two", status=7)


@pytest.mark.tiers(plain="ci", interpreted="long")
def test_ruby(same: Same) -> None:
    outcome = same("ruby", str(GUESTS / "script.rb"), env={"LC_ALL": "C.UTF-8"}, status=None)
    assert outcome.status == -signal.SIGTERM


SQL = """
create table people (id integer primary key, name text, age real);
insert into people (name, age) values ('ann', 31.5), ('bob', 28), ('cy', null);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 2000)
  insert into people (name, age) select 'p' || x, x % 90 / 3.0 from n;
create index by_age on people (age);
.mode column
select count(*), avg(age), max(name) from people;
select name, printf('%.3f', age) from people where age between 5 and 6
  order by age desc, name limit 7;
.mode json
select * from people limit 2;
update people set age = age + 1 where id % 2; vacuum; pragma integrity_check;
.dump sqlite_sequence
select nosuch from people;
"""


def test_sqlite(same: Same) -> None:
    same("sqlite3", "data.db", stdin=SQL, status=None)
    same("sqlite3", ":memory:", "select 1 + 1, sqrt(2), hex('blob')")
