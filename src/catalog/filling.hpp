/// Whether and how an empty number column can take the other one's value without making the customer's row fail.
#pragma once

#include "catalog/column.hpp"

namespace contact_sync
{

/// How a column is filled from another, looked up once. What it points to lives in the memory context of the look-up.
struct Filling
{
	const char *obstacle; ///< why it never is, as a clause; null where it may be
	int sqlstate;		  ///< of the obstacle
	bool is_copy;		  ///< values go over as they are, if they are no longer than allowed; else by a cast
	int max_characters;	  ///< -1: any number
	int max_bytes;		  ///< likewise
	List *conditions;	  ///< the table's own, as far as they say anything of the column
	List *expressions;	  ///< of indexes on the column: they must not raise
	List *shared_indexes; ///< Bitmapset *: the columns of indexes that hold others of variable length as well
	bool has_generated;	  ///< columns that are generated and stored: they count for the row's length

	/// Whether fill() can raise nothing, if the row is not too long.
	bool is_riskless() const
	{
		return is_copy && conditions == NIL && expressions == NIL && shared_indexes == NIL && !has_generated;
	}
};

/// Looks up how `target` of a table is filled from `source`.
Filling look_up_filling(Relation table, const Column &target, const Column &source);

/// Why a value does not fit as it is: a message, or null where it does. For a copy; a cast finds out for itself.
const char *misfit(const Filling &filling, const Column &target, Datum value);

/// Whether a row can be stored, at the longest, on a page of its table: after as much of it was moved out of line as
/// can be (heaptoast.c, heap_toast_insert_or_update).
bool can_be_stored(Relation table, HeapTuple row);

/// The message for a filled row that cannot be.
const char *too_long_to_be_stored(const Column &target);

/// The row with the source's value in the target column. Raises the error that the value would make the row fail with:
/// of a cast, a domain, a CHECK constraint, a partition's bounds, a generated column, an index expression or an index
/// row that is too long.
HeapTuple fill(const Filling &filling, Relation table, HeapTuple row, const Column &target, const Column &source,
			   Datum value);

} // namespace contact_sync
