-- SERIAL is known to PostgreSQL and to MariaDB; in memory (while developing) migrations are not needed.
CREATE TABLE item (id SERIAL PRIMARY KEY, name VARCHAR(100) NOT NULL);
