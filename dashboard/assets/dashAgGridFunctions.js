/* Formatters of the tables, by name: no text is ever evaluated. */
(function () {
  "use strict";
  const space = window.dashAgGridFunctions = window.dashAgGridFunctions || {};
  space.unmetCount = (value) => window.unmet_count(value);
  space.unmetShare = (row) => {
    if (row.sh === null || row.sh2 === null) { return row.n === 0 ? "–" : "•"; }
    const low = Math.round(row.sh * 100), high = Math.round(row.sh2 * 100);
    return low === high ? String(low) : low + "–" + high;
  };
  space.unmetFlag = (row) => !row.fw ? "" : (row.f === 1 || row.f === 2) && row.p !== 255 ? row.fw + " · " + row.p + " %" : row.fw;
  space.unmetRank = (row) => !row.rl ? "–" : row.rl === row.rh ? String(row.rl) : row.rl + "–" + row.rh;
  space.unmetTheme = (theme) => theme.withParams({
    backgroundColor: "var(--card)", foregroundColor: "var(--ink)", borderColor: "var(--rule)", headerBackgroundColor: "var(--card)",
    headerTextColor: "var(--soft)", oddRowBackgroundColor: "var(--card)", rowHoverColor: "var(--field)", selectedRowBackgroundColor: "var(--chosen)",
    accentColor: "var(--accent)", fontFamily: "var(--font)", headerFontFamily: "var(--font)", fontSize: 13, headerFontSize: 12, headerFontWeight: 600, wrapperBorder: false,
    wrapperBorderRadius: 0, columnBorder: false, headerColumnBorder: false, headerColumnResizeHandleColor: "transparent", cellHorizontalPadding: 8, spacing: 6,
  });
})();
