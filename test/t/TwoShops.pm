# A database that contact_sync is attached to, twice, and what can be asked of it: for tests of what such a database has to
# survive.
package TwoShops;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use Test::More;

our @EXPORT = qw(create_shops works same $verify $unfinished $drift $rows);

# create_shops NODE: the database shop there, with the roles shop_owner and clerk.
#
# Two customers tables: a legacy one that was adopted, with a failure and a row in quarantine; and one in partitions, with
# columns of other names, conditions on its policies, and the contact tables that attach makes.
sub create_shops
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE DATABASE shop;
		CREATE ROLE shop_owner;
		CREATE ROLE clerk;
	});
	$node->safe_psql('shop', 'CREATE EXTENSION contact_sync');
	{
		local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
		IPC::Run::run [ 'psql', '-X', '-q', '-d', $node->connstr('shop'), '-f', "test/fixtures/$_.sql" ]
		  or die "could not load $_"
		  for qw(legacy legacy_data);
	}
	$node->safe_psql('shop', q{
		SET client_min_messages = error;
		GRANT SELECT, INSERT, UPDATE ON customers, contact_methods TO clerk;
		INSERT INTO contact_methods (method_type, phone_number) VALUES ('sms', 'of nobody');
		SELECT * FROM contact_sync.attach('public.customers');
		ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number <> 'bad');
		UPDATE customers SET phone = 'bad' WHERE name = 'Walk-in';
		UPDATE customers SET phone = NULL, whatsapp = NULL WHERE name = 'Walk-in';

		CREATE SCHEMA "Branch" AUTHORIZATION shop_owner;
		GRANT USAGE ON SCHEMA "Branch" TO clerk;
		CREATE TABLE "Branch"."Customers" ("Id" bigint PRIMARY KEY, region varchar(10), mobile varchar(20), "W" text)
			PARTITION BY HASH ("Id");
		CREATE TABLE "Branch".part_0 PARTITION OF "Branch"."Customers" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE "Branch".part_1 PARTITION OF "Branch"."Customers" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		ALTER TABLE "Branch"."Customers" OWNER TO shop_owner;
		ALTER TABLE "Branch".part_0 OWNER TO shop_owner;
		ALTER TABLE "Branch".part_1 OWNER TO shop_owner;
		ALTER TABLE "Branch"."Customers" ENABLE ROW LEVEL SECURITY;
		GRANT SELECT, UPDATE ON "Branch"."Customers" TO clerk;
		CREATE POLICY own ON "Branch"."Customers" TO clerk USING (region IN ('north', 'south'));
		CREATE POLICY never ON "Branch"."Customers" AS RESTRICTIVE FOR UPDATE TO clerk USING (mobile <> '');
		SELECT * FROM contact_sync.attach('"Branch"."Customers"', 'Id', 'mobile', 'W');
		INSERT INTO "Branch"."Customers" SELECT i, 'north', '070' || i, '080' || i FROM generate_series(1, 50) AS i;
	});
	is($node->safe_psql('shop', q{SELECT function, sqlstate FROM contact_sync.failures}), 'update_contact_methods|23514',
		'a failure waits');
	is($node->safe_psql('shop', q{SELECT reason FROM contact_quarantine}), 'customer_id is null', 'a row is in quarantine');
	is($node->safe_psql('shop', q{SELECT count(*) FROM "Branch".contact_methods}), '150', 'methods were written');
}

our $verify = q{SELECT * FROM contact_sync.verify('public.customers') UNION ALL
	SELECT * FROM contact_sync.verify('"Branch"."Customers"')};
our $unfinished = "SELECT count(*) FROM ($verify) AS v WHERE status IN ('fix', 'blocked')";
our $drift = q{SELECT * FROM contact_sync.drift('public.customers') UNION ALL
	SELECT * FROM contact_sync.drift('"Branch"."Customers"')};
# Every row of every table, failures too
my @all_tables = qw(contact_sync.failures public.contact_quarantine public.customers "Branch"."Customers");
for my $schema (qw(public "Branch"))
{
	push @all_tables, map { "$schema.contact_$_" } qw(methods preferences history);
}
our $rows = join(' UNION ALL ', map { "SELECT '$_', t::text FROM $_ AS t" } @all_tables) . ' ORDER BY 1, 2';

# same GOT, EXPECTED, NAME: dumps are long; where they differ is what matters.
sub same
{
	my ($got, $expected, $name) = @_;
	return if ok($got eq $expected, $name);
	my ($is, $was) = map { { map { $_ => 1 } split /\n/ } } $got, $expected;
	diag(map { "+ $_\n" } grep { !$was->{$_} } split /\n/, $got);
	diag(map { "- $_\n" } grep { !$is->{$_} } split /\n/, $expected);
}

# works NODE, DATABASE, NAME: what an app changes there is synchronised.
sub works
{
	my ($node, $database, $name) = @_;
	is( $node->safe_psql($database, q{
			SET ROLE clerk;
			UPDATE "Branch"."Customers" SET mobile = '0799' WHERE "Id" = 7;
			RESET ROLE;
			SELECT string_agg(phone_number, ' ' ORDER BY method_type) FROM "Branch".contact_methods WHERE customer_id = 7}),
		'0799 0799 0807', "$name: an app's change is synchronised");
}

1;
