-- contact_sync, attached and switched off: what is left is PostgreSQL's own, the price of triggers that do nothing.
\ir statement.sql
ALTER DATABASE :"DBNAME" SET contact_sync.enabled = off;
