# Sixteen sessions insert, change and delete customers, while a trigger of the user's on the contact tables fails at
# random with SQLSTATEs at random (but 57014 and 40001, which are passed on).  No customer's write is lost, whatever
# drifts is among the recorded failures, and reconcile brings both to nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

# For triggers of each level; CONTACT_SYNC_SLOW makes it a minute.
my ($clients, $length) = (16, $ENV{CONTACT_SYNC_SLOW} ? '-T 30' : '-t 120');
my $node = PostgreSQL::Test::Cluster->new('load');
$node->init;
$node->append_conf('postgresql.conf', 'client_min_messages = error');
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE SEQUENCE ids;
	CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	INSERT INTO customers SELECT nextval('ids'), i, i FROM generate_series(1, 1000) AS i;

	-- What the sessions did, in the order of their locks on the customers.
	CREATE SEQUENCE steps;
	CREATE TABLE ledger (step bigint DEFAULT nextval('steps'), id bigint, phone text, whatsapp text, gone boolean);
	INSERT INTO ledger (id, phone, whatsapp, gone) SELECT *, false FROM customers;

	CREATE TABLE injected (sqlstate text);
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		letters text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
		code text := '';
	BEGIN
		-- Not where the customer's DELETE cascades: that is no work of contact sync.
		IF random() > 0.1 OR TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM customers WHERE id = OLD.customer_id) THEN
			RETURN coalesce(NEW, OLD);
		END IF;
		IF random() < 0.5 THEN
			code := (ARRAY['22P02', '23502', '23503', '23505', '23514', '25006', '40P01', '42501', '42P01', '53100', '53200',
				'54001', '55P03', '57P01', '57P03', '58030', 'P0001', 'P0004', 'XX000', 'XX001'])[1 + floor(random() * 20)];
		ELSE
			FOR i IN 1..5 LOOP code := code || substr(letters, 1 + floor(random() * 36)::int, 1); END LOOP;
			IF code IN ('57014', '40001') OR code LIKE '00%' THEN code := 'ZZ999'; END IF;
		END IF;
		RAISE EXCEPTION 'injected %', code USING ERRCODE = code;
	END
	$$;
	CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON contact_methods FOR EACH ROW EXECUTE FUNCTION fail();
	CREATE TRIGGER fail BEFORE INSERT ON contact_preferences FOR EACH ROW EXECUTE FUNCTION fail();
});

# Each writes a customer and says so in the ledger, in one statement: the customer's first, for its lock.
my $changed = 'INSERT INTO ledger (id, phone, whatsapp, gone) SELECT c.*, false FROM c';
my %scripts = (
	'053_insert@2' => qq{
		\\set n random(1, 1000000000)
		WITH c AS (INSERT INTO customers VALUES (nextval('ids'), :n, nullif(:n % 3, 0)) RETURNING *) $changed;
	},
	'053_change@6' => qq{
		\\set n random(1, 1000000000)
		WITH one AS (SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET :n % 50),
			c AS (UPDATE customers SET phone = :n, whatsapp = nullif(:n % 4, 0)
				WHERE id = (SELECT id FROM one) RETURNING *) $changed;
	},
	# in order, for no two of them to wait for each other's customers
	'053_change_many@2' => qq{
		\\set n random(1, 1000000000)
		BEGIN;
		SELECT id FROM customers WHERE id % 97 = :n % 97 ORDER BY id FOR UPDATE;
		WITH c AS (UPDATE customers SET phone = nullif(:n % 5, 0), whatsapp = nullif(:n % 3, 0)
			WHERE id % 97 = :n % 97 RETURNING *) $changed;
		COMMIT;
	},
	'053_delete@1' => q{
		\set n random(1, 1000000000)
		WITH c AS (DELETE FROM customers WHERE id = (SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET :n % 200)
			RETURNING *)
			INSERT INTO ledger (id, phone, whatsapp, gone) SELECT c.*, true FROM c;
	});
for my $level ('statement', 'row')
{
	$node->safe_psql('postgres', who_acts($level));
	$node->pgbench("-n -c $clients -j 2 $length", 0,
		[ qr/number of failed transactions: 0 /, qr/number of transactions actually processed: [1-9]/ ],
		[qr/^(?!.*(?:ERROR|aborted|PANIC|FATAL))/s], "FOR EACH $level: no statement of a session fails",
		{ map { ($_ =~ s/\@/_$level@/r => $scripts{$_}) } keys %scripts });
}

# Nothing is lost: the customers are what the ledger says.
is($node->safe_psql('postgres', q{
	WITH last AS (SELECT DISTINCT ON (id) id, phone, whatsapp, gone FROM ledger ORDER BY id, step DESC)
	SELECT count(*) FROM (SELECT * FROM customers) c FULL JOIN (SELECT * FROM last WHERE NOT gone) l USING (id)
	WHERE (c.phone, c.whatsapp) IS DISTINCT FROM (l.phone, l.whatsapp)
}), 0, "no customer's write is lost");
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.drift() WHERE kind = $$orphan$$'), 0,
	'no contact data is left of customers that are gone');

# Whatever drifts is on record.
my ($drifting, $recorded, $codes, $times) = split /\|/, $node->safe_psql('postgres', q{
	SELECT (SELECT count(DISTINCT customer) FROM contact_sync.drift('customers')),
		count(*), count(DISTINCT sqlstate), sum(times) FROM contact_sync.failures});
note "$times failures of $recorded customers and functions, of $codes SQLSTATEs; $drifting customers drift";
cmp_ok($drifting, '>', 0, 'some customers drift');
cmp_ok($codes, '>', 20, 'for many reasons');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM contact_sync.drift('customers') d
	WHERE NOT EXISTS (SELECT FROM contact_sync.failures f WHERE (f.customers_table, f.customer, f.function)
		= ('public.customers', d.customer,
			CASE d.kind WHEN 'no preferences' THEN 'initialize_contact_preferences' ELSE 'update_contact_methods' END))
}), 0, 'each of them is among the recorded failures');
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.failures
	WHERE sqlstate IN ('57014', '40001') OR message <> 'injected ' || sqlstate}), 0,
	'nothing failed that was not made to');
my $log = slurp_file($node->logfile);
unlike($log, qr/could not record|could not send/, 'every failure could be recorded');
unlike($log, qr/PANIC|TRAP|leak|still referenced|server process .* was terminated/, 'nothing leaked, nothing crashed');

$node->safe_psql('postgres', q{
	DROP FUNCTION fail CASCADE;
	CALL contact_sync.reconcile('customers');
});
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.drift('customers')}), 0, 'nothing drifts any more');
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'no failures wait');

$node->stop;
done_testing();
