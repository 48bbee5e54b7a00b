/// The tables above a table, and the triggers that fire for a statement on any of them.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// The trigger's arguments: the columns of the customer's id, phone and whatsapp. One that is empty or left off, as
/// contact_sync.attach() does for a column that does not exist, is the usual name.
constexpr const char *default_columns[] = {"id", "phone", "whatsapp"};
constexpr int max_arguments = lengthof(default_columns);

struct ColumnNames
{
	const char *names[max_arguments];
};

/// The columns that a trigger's arguments name.
ColumnNames column_names(int count, const char *const *arguments);

/// A table and those above it whose rows include its own, the table itself first, the topmost last: of a partition, its
/// ancestors; of an inheritance child, each parent that is the only one, in the same schema, with the same owner and
/// columns.
struct Lineage
{
	List *tables;  ///< OIDs
	bool is_whole; ///< there are no others: each statement that reaches the table's rows names one of them
};

/// Takes no locks. A partition whose DETACH CONCURRENTLY is pending has no ancestors any more, and is not whole: older
/// snapshots reach it by them. The list lives in the current memory context.
Lineage lineage_of(Relation table, const ColumnNames &columns);

/// The row events of a table that are sure to be followed by a FOR EACH STATEMENT trigger with the same function and
/// columns, whatever table of the lineage the statement names.
struct Followed
{
	bool insert;
	bool update;
};

Followed followed_by_statement_triggers(const Lineage &lineage, Oid function, const ColumnNames &columns);

/// Whether a table has a FOR EACH ROW trigger with that function and those columns, be it enabled or not.
bool has_row_trigger(Oid table, Oid function, const ColumnNames &columns);

} // namespace contact_sync
