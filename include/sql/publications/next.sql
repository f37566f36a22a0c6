-- Take the number of a publication; the row stays locked until the transaction ends, so numbers grow in
-- the order of commits, and a publication that is given up gives its number back. No parameters.
update efd_publication_counter set last = last + 1 returning last
