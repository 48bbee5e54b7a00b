# A subscriber of logical replication that gets customers alone: our triggers, enabled ALWAYS, keep its contact
# tables.  An error in them does not stop the subscription: it is recorded, and reconcile mends it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', "client_min_messages = warning");
$subscriber->start;

my $customers = 'CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20))';
$publisher->safe_psql('postgres', qq{
	$customers;
	INSERT INTO customers SELECT i, '07' || i, CASE WHEN i % 2 = 0 THEN '08' || i END FROM generate_series(1, 500) AS i;
	CREATE PUBLICATION shop FOR TABLE customers;
});
$subscriber->safe_psql('postgres', qq{
	CREATE EXTENSION contact_sync;
	$customers;
	SELECT * FROM contact_sync.attach('customers');
	-- Those of the foreign keys, too: they take away the contact data of a customer that is deleted.
	DO \$\$
	DECLARE
		t name;
	BEGIN
		FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'customers'::regclass LOOP
			EXECUTE format('ALTER TABLE customers ENABLE ALWAYS TRIGGER %I', t);
		END LOOP;
	END
	\$\$;
});
my $drift = q{SELECT count(*) FROM contact_sync.drift('customers')};
my $numbers = q{SELECT string_agg(concat_ws(' ', method_type, phone_number), ', ' ORDER BY method_type)
	FROM contact_methods WHERE customer_id = };

$subscriber->safe_psql('postgres',
	q{CREATE SUBSCRIPTION shop CONNECTION '} . $publisher->connstr . q{ dbname=postgres' PUBLICATION shop});
$subscriber->wait_for_subscription_sync($publisher, 'shop');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM customers'), 500, 'the first copy of the customers');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM contact_preferences'), 500, 'brings their preferences');
is($subscriber->safe_psql('postgres', $drift), 0, 'and methods');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM customers WHERE whatsapp IS NULL}), 0,
	'an empty number took the value of the other');

# publish STATEMENTS: on the publisher, until the subscriber has them
sub publish
{
	my ($statements) = @_;
	$publisher->safe_psql('postgres', $statements);
	$publisher->wait_for_catchup('shop');
}

publish(q{
	INSERT INTO customers VALUES (501, '501', 'w501'), (502, NULL, 'w502');
	UPDATE customers SET phone = phone || ' new' WHERE id % 5 = 0;
	UPDATE customers SET phone = NULL, whatsapp = '' WHERE id = 7;
	UPDATE customers SET id = 1000 WHERE id = 8;
	DELETE FROM customers WHERE id = 9;
});
is($subscriber->safe_psql('postgres', $drift), 0, 'what comes later keeps them in step');
is($subscriber->safe_psql('postgres', "$numbers 10"), 'phone_call 0710 new, sms 0710 new, whatsapp 0810', 'a change');
is($subscriber->safe_psql('postgres', "$numbers 502"), 'phone_call w502, sms w502, whatsapp w502', 'a new customer');
is($subscriber->safe_psql('postgres', "$numbers 7"), '', 'a customer without numbers');
is($subscriber->safe_psql('postgres', "$numbers 1000"), 'phone_call 078, sms 078, whatsapp 088', 'one with a new key');
is($subscriber->safe_psql('postgres', "$numbers 9"), '', 'one that is gone');

# An error in contact sync does not stop the subscription.
$subscriber->safe_psql('postgres', q{ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number <> 'bad')});
publish(q{
	UPDATE customers SET phone = 'bad' WHERE id = 1;
	UPDATE customers SET phone = 'good' WHERE id = 2;
});
is($subscriber->safe_psql('postgres', q{SELECT phone FROM customers WHERE id = 1}), 'bad',
	'the row with the error came');
is($subscriber->safe_psql('postgres', q{SELECT phone FROM customers WHERE id = 2}), 'good', 'and the one after it');
is($subscriber->safe_psql('postgres', q{SELECT customer, sqlstate FROM contact_sync.failures}), '1|23514',
	'the error is on record');
is($subscriber->safe_psql('postgres', q{SELECT DISTINCT customer FROM contact_sync.drift('customers')}), 1,
	'and nothing else drifts');
$subscriber->safe_psql('postgres', q{
	ALTER TABLE contact_methods DROP CONSTRAINT good;
	CALL contact_sync.reconcile('customers');
});
is($subscriber->safe_psql('postgres', $drift), 0, 'reconcile mends it');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'and takes the record away');

is($publisher->safe_psql('postgres', 'SELECT count(*) FROM customers WHERE whatsapp IS NULL'), 248,
	'nothing came back to the publisher');

$subscriber->stop;
$publisher->stop;
done_testing();
