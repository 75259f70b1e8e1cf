"""Tests of twgw.storage.ways; what drivers and servers say was copied from them."""

import psycopg
import pymysql
import pytest
from sqlalchemy.exc import ProgrammingError

from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.vendors import Verdict, verdict
from twgw.storage.ways import way_out, words

SERVER = 'connection failed: connection to server at "10.0.0.5", port 5432 failed: '


@pytest.mark.parametrize(
    ("error", "way"),
    [
        (psycopg.OperationalError("failed to resolve host 'db': [Errno -2] Name or service not known"), "the host in"),
        (pymysql.OperationalError(2003, "cannot connect to db:3306: [Errno -3] Temporary failure in name resolution"),
         "the host in"),
        (psycopg.OperationalError(f"{SERVER}Connection refused\n\tIs the server running?"), "start the database"),
        (pymysql.OperationalError(2003, "cannot connect to db:3306: [Errno 111] Connection refused"), "start the"),
        (psycopg.OperationalError("connection timeout expired"), "is that machine up"),
        (pymysql.OperationalError(2003, "cannot connect to 10.0.0.5:3306: timed out"), "is that machine up"),
        (psycopg.OperationalError(f'{SERVER}FATAL:  no pg_hba.conf entry for host "10.0.0.6"'), "let this machine in"),
        (psycopg.OperationalError(f'{SERVER}FATAL:  password authentication failed for user "gw"'), "password_file"),
        (psycopg.OperationalError(f'{SERVER}FATAL:  role "root" does not exist'), "correct the user"),
        (psycopg.OperationalError(f'{SERVER}FATAL:  Peer authentication failed for user "gw"'), "correct the user"),
        (pymysql.OperationalError(1045, "Access denied for user 'gw'@'10.0.0.6' (using password: YES)"), "password_"),
        (psycopg.OperationalError(f'{SERVER}FATAL:  database "shop" does not exist'), "make that database"),
        (pymysql.OperationalError(1044, "Access denied for user 'gw'@'%' to database 'shop'"), "make that database"),
        (psycopg.errors.InsufficientPrivilege("permission denied for schema public"), "every right"),
        (pymysql.OperationalError(1142, "CREATE command denied to user 'gw'@'%' for table `a`.`b`"), "every right"),
        (pymysql.OperationalError(2013, "Lost connection to MySQL server during query (timed out)"), ""),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), ""),
    ],
)  # fmt: skip
def test_what_keeps_a_node_out_has_a_way_out(error, way):
    """Whatever a driver calls it; where nothing is known nothing is said."""
    assert way in way_out(error)
    assert bool(way) == bool(way_out(error))


def test_words_come_before_a_number():
    """And not both as Python writes them."""
    assert "Access denied (1045)" == words(pymysql.OperationalError(1045, "Access denied"))
    assert "no" == words(psycopg.OperationalError("no"))


def test_a_right_that_is_missing_is_said_and_no_fault_of_ours():
    """PostgreSQL calls it a wrong statement."""
    assert Verdict.REFUSED == verdict(ProgrammingError("", {}, psycopg.errors.InsufficientPrivilege()))


@pytest.mark.parametrize("url", ["postgresql://gw@127.0.0.1:1/shop?nosuch=1", "mariadb://gw@127.0.0.1:1/shop?nosuch=1"])
def test_an_option_that_a_driver_does_not_know_is_said(url):
    """It comes before anything is connected."""
    database = Database(url)
    with pytest.raises(Unavailable, match="nosuch") as caught:
        database.call(lambda connection: connection)
    database.close()

    assert "what stands after the ?" in caught.value.lines[1]
