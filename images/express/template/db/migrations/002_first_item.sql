INSERT INTO item (name) VALUES ('a row from the database');
