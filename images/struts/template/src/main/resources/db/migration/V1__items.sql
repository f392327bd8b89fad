CREATE TABLE item (
	id SERIAL PRIMARY KEY,
	name VARCHAR(100) NOT NULL
);
INSERT INTO item (name) VALUES ('a row from the database');
