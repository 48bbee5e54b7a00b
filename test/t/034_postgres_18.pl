# What PostgreSQL 18 brought that a customers table or a contact table may make use of.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('version_18');
plan skip_all => 'for PostgreSQL 18' if $node->pg_version < 18;
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION contact_sync');

# shop SQL: what psql says of it, in a schema of its own: the rows, then the messages
sub shop
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres',
		"SET client_min_messages = error; DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; SET search_path = shop;
		SET client_min_messages = warning;
		$sql", on_error_stop => 0);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return join "\n", grep { length } $out, $err;
}

is($node->safe_psql('postgres',
		q{SELECT contact_sync.number('1') \g /dev/null
		SELECT version FROM pg_get_loaded_modules() WHERE module_name = 'contact_sync'}),
	$node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'contact_sync'}),
	'the module tells its name and version');

# A virtual generated column: rows do not hold it, and a trigger sees null. That is no empty number.
my $virtual = q{
	CREATE TABLE customers (id bigint PRIMARY KEY, sim text, phone text GENERATED ALWAYS AS ('0' || sim), whatsapp text);
	SELECT * FROM contact_sync.attach('customers') \g /dev/null
	INSERT INTO customers VALUES (1, '1', DEFAULT, '2');
	INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (1, 'sms', 'kept');
};
my $unseen = q{WARNING:  update_contact_methods() leaves work undone on table "shop.customers": column "phone" is generated as it is read, so triggers do not see it
DETAIL:  The row is saved. This is said once in a session.
HINT:  SELECT * FROM contact_sync.verify('shop.customers') says what to mend.};
is(shop("$virtual
		UPDATE customers SET sim = '3', whatsapp = '4';
		UPDATE customers SET sim = NULL;
		SELECT method_type, phone_number FROM contact_methods ORDER BY 1"),
	"sms|kept\nwhatsapp|4\n$unseen", 'a virtual generated column is left alone, the other number is written');
is(shop(qq{SET client_min_messages = error;
		$virtual
		SELECT problem FROM contact_sync.verify('customers') WHERE check_name = 'number_column' AND status <> 'ok';
		SELECT kind, method FROM contact_sync.drift('customers')}),
	'column is a virtual generated column, which triggers cannot see: make it STORED', 'verify says so, and drift knows no such number');
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text,
			short text GENERATED ALWAYS AS (left(whatsapp, 2)) NOT NULL CHECK (short <> '09'));
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		INSERT INTO customers (id, phone) VALUES (1, '0811');
		\set VERBOSITY sqlstate
		INSERT INTO customers (id, phone, whatsapp) VALUES (2, '0911', '0812');
		UPDATE customers SET whatsapp = '' WHERE id = 2;
		SELECT * FROM customers ORDER BY id}),
	"1|0811|0811|08\n2|0911||\nWARNING:  23514", 'a virtual column that is generated from a number, with a CHECK');
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		ALTER TABLE contact_methods ADD short text GENERATED ALWAYS AS (left(phone_number, 2)), ADD CHECK (short <> '09');
		\set VERBOSITY sqlstate
		INSERT INTO customers (id, phone) VALUES (1, '0811'), (2, '0911'), (3, '0812');
		SELECT customer_id, short FROM contact_methods WHERE method_type = 'sms' ORDER BY 1}),
	"1|08\n3|08\nWARNING:  23514", 'the same of a contact table');

# Constraints that are not enforced
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text CHECK (whatsapp <> '1') NOT ENFORCED);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		INSERT INTO customers (id, phone) VALUES (1, '1');
		SELECT whatsapp FROM customers}), '1', 'a CHECK that is not enforced keeps no number from being filled in');
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_method_type_check,
			DROP CONSTRAINT contact_methods_customer_id_fkey,
			ADD CONSTRAINT less CHECK (method_type = 'sms') NOT ENFORCED,
			ADD CONSTRAINT reference FOREIGN KEY (customer_id) REFERENCES customers
				ON DELETE CASCADE ON UPDATE CASCADE NOT ENFORCED;
		SELECT check_name, problem FROM contact_sync.verify('customers') WHERE status NOT IN ('ok', 'advice');
		SELECT check_name FROM contact_sync.verify('customers') WHERE check_name = 'unvalidated_constraint' AND status <> 'ok';
		SELECT check_name FROM contact_sync.attach('customers');
		INSERT INTO customers (id, phone) VALUES (1, '1');
		SELECT count(*) FROM contact_methods;
		DELETE FROM customers;
		SELECT count(*) FROM contact_methods;
		CALL contact_sync.reconcile('customers');
		SELECT conname, conenforced, convalidated FROM pg_constraint
		WHERE conrelid = 'contact_methods'::regclass AND contype IN ('c', 'f') ORDER BY conname}),
	"foreign_key|the foreign key lacks ENFORCED: it does nothing\nforeign_key\n3\n0\n"
	  . "contact_methods_verification_status_check|t|t\nless|f|f\nreference|t|t",
	'a foreign key that is not enforced is replaced; a CHECK that is not is none');

is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_fkey,
			ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE NOT ENFORCED;
		CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN DELETE FROM customers WHERE id = NEW.id; RETURN NULL; END';
		CREATE TRIGGER away AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION away();
		INSERT INTO customers (id, phone) VALUES (1, '1');
		SELECT count(*) FROM contact_preferences}), '0',
	'nor does it vouch for a customer who is gone before the statement ends');

# NOT NULL constraints have names, and can be waiting to be validated.
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		ALTER TABLE contact_methods ALTER is_available DROP NOT NULL, ADD CONSTRAINT known NOT NULL is_available NOT VALID;
		SELECT check_name, fix FROM contact_sync.verify('customers') WHERE object LIKE '%known%'}),
	'unvalidated_constraint|ALTER TABLE shop.contact_methods VALIDATE CONSTRAINT known;',
	'a NOT NULL that is not validated yet');

# A key of a customer for a time: the id alone is unique no more.
is(shop(q{CREATE TABLE customers (id int4range, valid daterange, phone text, whatsapp text,
			PRIMARY KEY (id, valid WITHOUT OVERLAPS));
		SELECT check_name, status FROM contact_sync.verify('customers') WHERE status = 'blocked'}),
	'customers_key|blocked', 'a temporal primary key');

# AFTER triggers run as the role that queued them.
is(shop(q{CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
		SELECT * FROM contact_sync.attach('customers') \g /dev/null
		CREATE ROLE clerk;
		GRANT USAGE ON SCHEMA shop TO clerk;
		GRANT INSERT ON customers TO clerk;
		BEGIN;
		CREATE FUNCTION as_clerk() RETURNS void SET role = clerk
			BEGIN ATOMIC INSERT INTO shop.customers (id, phone) VALUES (1, '1'); END;
		SELECT as_clerk();
		COMMIT;
		SELECT count(*) FROM contact_methods;
		SELECT current_user = session_user}), "\n3\nt", 'an INSERT under another role');

$node->stop;
done_testing();
