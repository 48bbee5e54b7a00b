# What number() takes off the ends of a number, over all characters: in UTF-8 what Perl calls white space or a format
# character; in other encodings the white space of ASCII; nothing of what is no valid character.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Unicode::UCD;

my $node = PostgreSQL::Test::Cluster->new('number');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;

# database ENCODING: makes one, and returns its name
sub database
{
	my $name = lc shift;
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 ENCODING '$name' LOCALE 'C'");
	$node->safe_psql($name, 'CREATE EXTENSION contact_sync');
	return $name;
}

#
# UTF-8
#
my $utf8 = database('utf8');
my $last = 0x10FFFF;
my $is_surrogate = 'code BETWEEN 55296 AND 57343';	# no characters
my @found = map { hex } split /\n/, $node->safe_psql($utf8, qq{
	SELECT to_hex(code) FROM generate_series(1, $last) AS code
	WHERE NOT $is_surrogate AND contact_sync.number(chr(code) || '7' || chr(code)) = '7' ORDER BY code});
my %found = map { $_ => 1 } @found;

# Unicode 15.0 has been asked for. What an older Perl does not know as a character yet it cannot judge.
my (@wrong, $judged);
for my $code (1 .. $last)
{
	next if $code >= 0xD800 && $code <= 0xDFFF || chr($code) =~ /\p{Unassigned}/;
	$judged++;
	my $expected = chr($code) =~ /[\p{White_Space}\p{Cf}]/ ? 1 : 0;
	push @wrong, sprintf 'U+%04X', $code if $expected != ($found{$code} // 0);
}
my $version = Unicode::UCD::UnicodeVersion();
is("@wrong", '', "each of the $judged characters of Unicode $version is what Perl says");
is(scalar(grep { chr =~ /\p{Unassigned}/ && ($_ < 0x13439 || $_ > 0x1343F) } @found),
	0, 'no other characters go, but for those that Unicode 15.0 added to 14.0');
cmp_ok(scalar @found, '>', 150, 'there are many of them');

is($node->safe_psql($utf8, qq{
	SELECT count(*) FROM generate_series(1, $last) AS code
	WHERE NOT $is_surrogate AND (contact_sync.number('7' || chr(code) || '7') <> '7' || chr(code) || '7'
		OR (contact_sync.number(chr(code)) IS NULL) <> (contact_sync.number(chr(code) || '7' || chr(code)) = '7'))}),
	'0', 'inside a number each one stays, and alone it is none where it would go at an end');

# Beside each other: any two of them, of each length
is($node->safe_psql($utf8, q{
	WITH gone AS (SELECT chr(code) AS c FROM unnest('{32,133,160,8203,12288,65279,69821,917505}'::int[]) AS code),
	     stays AS (SELECT chr(code) AS c FROM unnest('{48,128,233,8208,12289,65280,69822,917760}'::int[]) AS code)
	SELECT count(*) FROM gone a, gone b, stays s, stays t
	WHERE contact_sync.number(a.c || b.c || s.c || a.c || t.c || b.c || a.c) <> s.c || a.c || t.c}),
	'0', 'mixed, they go as far as there is something else');

#
# Other encodings
#
my $ascii_space = '9,10,11,12,13,32';
for my $encoding (qw(latin1 latin9 euc_jp sql_ascii))
{
	my $database = database($encoding);
	is($node->safe_psql($database, q{
		SELECT string_agg(code::text, ',' ORDER BY code) FROM generate_series(1, 127) AS code
		WHERE contact_sync.number(chr(code) || '7' || chr(code)) = '7'}),
		$ascii_space, "$encoding: the white space of ASCII");
}
is($node->safe_psql('latin1', q{
	SELECT count(*) FROM generate_series(128, 255) AS code
	WHERE contact_sync.number(chr(code) || '7' || chr(code)) IS DISTINCT FROM chr(code) || '7' || chr(code)}),
	'0', 'latin1: all else stays, U+00A0 and U+00AD too');
is($node->safe_psql('euc_jp', q{
	SELECT contact_sync.number(convert_from('\xA1A137A1A1', 'EUC_JP')) = convert_from('\xA1A137A1A1', 'EUC_JP')}),
	't', 'euc_jp: a wide space stays');
# Anything goes there, also halves of a character.
is($node->safe_psql('sql_ascii', q{
	SET client_encoding = sql_ascii;
	SELECT count(*)
	FROM (SELECT convert_from(decode(hex, 'hex'), 'SQL_ASCII') AS bytes
		  FROM unnest('{c2,c2a0,e2,e280,e2808b,f3,f3a0,f3a080,f3a08081,80,a0,8b,ff,c0a0}'::text[]) AS hex) AS b
	WHERE contact_sync.number(bytes) <> bytes OR contact_sync.number(' ' || bytes || ' ') <> bytes
		  OR contact_sync.number(bytes || '7' || bytes) <> bytes || '7' || bytes}),
	'0', 'sql_ascii: bytes that are no ASCII stay, whole characters of UTF-8 or not');

$node->stop;
done_testing();
