/// A contact table, as far as the owner's rights may be used on it.
#pragma once

#include <initializer_list>

#include "catalog/binding.hpp"

namespace contact_sync
{

/// A table beside the customers table: one of the same owner, for these customers.
struct ContactTable
{
	Oid oid;
	const char *name;	 ///< qualified and quoted; null where there is no such table
	const char *problem; ///< why it cannot be used, as a clause; null where it can
	int sqlstate;		 ///< of the problem
	const char
		*untrusted; ///< why it cannot be written with the owner's rights at present, as a message; null where it can
	bool runs_users_code; ///< see users_code.hpp
	bool has_rules;		  ///< the rewriter may make several statements of one
	List *children;		  ///< OIDs of its partitions and inheritance children

	bool is_usable() const { return problem == nullptr; }
	bool has(const char *column) const { return get_attnum(oid, column) != InvalidAttrNumber; }
};

/// Looks up the contact table called `name` and checks that it can be used and has the `needed` columns. Takes and
/// keeps `lock` on it: what was found holds as long as the binding does not become stale. Strings live as long as the
/// binding.
ContactTable contact_table(Binding &binding, const char *name, LOCKMODE lock,
						   std::initializer_list<const char *> needed);

/// Locks a table that can be used, as of its look-up, and its children: no trigger can be added to them.
void lock_table(const ContactTable &table, LOCKMODE lock);

/// How an INSERT can tell that a row is there already.
enum class Unique
{
	none,
	deferrable, ///< of no use to ON CONFLICT
	immediate,
};

/// The best unique index of a table on exactly these columns, without a condition.
Unique unique_index(const ContactTable &table, std::initializer_list<const char *> columns);

/// Whether a foreign key that is checked at once ties a column of the table to the customers' key.
bool references(const ContactTable &table, const char *column, const Binding &binding);

} // namespace contact_sync
